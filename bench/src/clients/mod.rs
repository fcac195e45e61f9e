//! The clients that are measured: one file each, all with the same load and settings.

mod milena_consumer;
mod milena_producer;
mod rdkafka_base_consumer;
mod rdkafka_base_producer;
mod rdkafka_future_producer;
mod rdkafka_settings;

use crate::load::Load;
use crate::usage::Meter;
use anyhow::Result;
use clap::ValueEnum;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Produce,
    Consume,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Consume => "consume",
        }
    }
}

/// A client of this program or a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    MilenaProducer,
    MilenaConsumer,
    RdkafkaFutureProducer,
    RdkafkaBaseProducer,
    RdkafkaBaseConsumer,
}

impl Client {
    pub(crate) const ALL: [Self; 5] = [
        Self::MilenaProducer,
        Self::RdkafkaFutureProducer,
        Self::RdkafkaBaseProducer,
        Self::MilenaConsumer,
        Self::RdkafkaBaseConsumer,
    ];

    /// As the report names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MilenaProducer => "milena Producer (tracked)",
            Self::MilenaConsumer => "milena Consumer",
            Self::RdkafkaFutureProducer => "rdkafka FutureProducer (tracked)",
            Self::RdkafkaBaseProducer => "rdkafka BaseProducer (callback)",
            Self::RdkafkaBaseConsumer => "rdkafka BaseConsumer",
        }
    }

    pub(crate) fn work(self) -> Work {
        match self {
            Self::MilenaProducer | Self::RdkafkaFutureProducer | Self::RdkafkaBaseProducer => {
                Work::Produce
            }
            Self::MilenaConsumer | Self::RdkafkaBaseConsumer => Work::Consume,
        }
    }
}

/// Runs `client` once in this process and prints what it used as one line of JSON.
pub(crate) fn measure(client: Client, load: &Load) -> Result<()> {
    let meter = Meter::start()?;
    match client {
        Client::MilenaProducer => milena_producer::run(load)?,
        Client::MilenaConsumer => milena_consumer::run(load)?,
        Client::RdkafkaFutureProducer => rdkafka_future_producer::run(load)?,
        Client::RdkafkaBaseProducer => rdkafka_base_producer::run(load)?,
        Client::RdkafkaBaseConsumer => rdkafka_base_consumer::run(load)?,
    }
    println!("{}", serde_json::to_string(&meter.stop()?)?);
    Ok(())
}
