//! The clients that are measured: one file each, all with the same load and settings.

mod krafka_consumer;
mod krafka_latency;
mod krafka_producer;
mod milena_app;
mod milena_consumer;
mod milena_group_consumer;
mod milena_idle;
mod milena_latency;
mod milena_producer;
mod milena_publisher;
mod milena_reliable_publisher;
mod milena_retries;
mod rdkafka_base_consumer;
mod rdkafka_base_producer;
mod rdkafka_future_producer;
mod rdkafka_latency;
mod rdkafka_settings;
mod rdkafka_stream_consumer;

use crate::load::{BATCH_BYTES, BUFFER_BYTES, LINGER_MS, Load, Payload};
use crate::usage::Meter;
use anyhow::Result;
use clap::ValueEnum;
use milena::{Config, ConfigBuilder};
use std::time::Duration;

/// How often handlers' progress is committed, as librdkafka does by default.
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Produce,
    Consume,
    /// As a member of a group: read JSON, call a function with what it says, commit.
    Handle,
    /// One record after another, each awaited.
    Latency,
    /// Messages that fail and wait for their next attempt, all at once.
    Retry,
    /// Consumers without anything to do; a "message" is one of them.
    Idle,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Consume => "consume",
            Self::Handle => "handle",
            Self::Latency => "latency",
            Self::Retry => "retry",
            Self::Idle => "idle",
        }
    }

    /// Whether somebody has to produce first.
    pub(crate) fn reads(self) -> bool {
        matches!(self, Self::Consume | Self::Handle | Self::Idle)
    }

    pub(crate) fn payload(self) -> Payload {
        match self {
            Self::Handle => Payload::Json,
            _ => Payload::Letters,
        }
    }
}

/// A client of this program or a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    MilenaProducer,
    MilenaProducerOwned,
    MilenaConsumer,
    RdkafkaFutureProducer,
    RdkafkaBaseProducer,
    RdkafkaBaseConsumer,
    KrafkaProducer,
    KrafkaConsumer,
    MilenaGroupConsumer,
    MilenaApp,
    RdkafkaStreamConsumer,
    MilenaLatency,
    RdkafkaLatency,
    KrafkaLatency,
    MilenaIdle,
    MilenaPublisher,
    MilenaReliablePublisher,
    MilenaRetries,
}

impl Client {
    pub(crate) const ALL: [Self; 18] = [
        Self::MilenaProducer,
        Self::MilenaProducerOwned,
        Self::MilenaPublisher,
        Self::MilenaReliablePublisher,
        Self::RdkafkaFutureProducer,
        Self::RdkafkaBaseProducer,
        Self::KrafkaProducer,
        Self::MilenaConsumer,
        Self::RdkafkaBaseConsumer,
        Self::KrafkaConsumer,
        Self::MilenaGroupConsumer,
        Self::MilenaApp,
        Self::RdkafkaStreamConsumer,
        Self::MilenaLatency,
        Self::RdkafkaLatency,
        Self::KrafkaLatency,
        Self::MilenaRetries,
        Self::MilenaIdle,
    ];

    /// As the report names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MilenaProducer => "milena Producer (tracked)",
            Self::MilenaProducerOwned => "milena Producer (tracked), owned values",
            Self::MilenaConsumer => "milena Consumer",
            Self::RdkafkaFutureProducer => "rdkafka FutureProducer (tracked)",
            Self::RdkafkaBaseProducer => "rdkafka BaseProducer (callback)",
            Self::RdkafkaBaseConsumer => "rdkafka BaseConsumer",
            Self::KrafkaProducer => "krafka Producer (tracked)",
            Self::KrafkaConsumer => "krafka Consumer",
            Self::MilenaGroupConsumer => "milena Consumer, serde_json",
            Self::MilenaApp => "milena App",
            Self::RdkafkaStreamConsumer => "rdkafka StreamConsumer, serde_json",
            Self::MilenaLatency => "milena Producer",
            Self::RdkafkaLatency => "rdkafka FutureProducer",
            Self::KrafkaLatency => "krafka Producer",
            Self::MilenaIdle => "milena Consumer (group)",
            Self::MilenaPublisher => "milena Publisher (tracked)",
            Self::MilenaReliablePublisher => "milena ReliablePublisher",
            Self::MilenaRetries => "milena ReliablePublisher",
        }
    }

    pub(crate) fn work(self) -> Work {
        match self {
            Self::MilenaProducer
            | Self::MilenaProducerOwned
            | Self::MilenaPublisher
            | Self::MilenaReliablePublisher
            | Self::RdkafkaFutureProducer
            | Self::RdkafkaBaseProducer
            | Self::KrafkaProducer => Work::Produce,
            Self::MilenaConsumer | Self::RdkafkaBaseConsumer | Self::KrafkaConsumer => {
                Work::Consume
            }
            Self::MilenaGroupConsumer | Self::MilenaApp | Self::RdkafkaStreamConsumer => {
                Work::Handle
            }
            Self::MilenaLatency | Self::RdkafkaLatency | Self::KrafkaLatency => Work::Latency,
            Self::MilenaRetries => Work::Retry,
            Self::MilenaIdle => Work::Idle,
        }
    }
}

/// Runs `client` once in this process and prints what it used as one line of JSON, or the time of each
/// message as a line of its own.
pub(crate) fn measure(client: Client, load: &Load) -> Result<()> {
    let meter = Meter::start()?;
    match client {
        Client::MilenaLatency => return print_times(&milena_latency::run(load)?),
        Client::RdkafkaLatency => return print_times(&rdkafka_latency::run(load)?),
        Client::KrafkaLatency => return print_times(&krafka_latency::run(load)?),
        Client::MilenaIdle => milena_idle::run(load)?,
        Client::MilenaProducer => milena_producer::run(load)?,
        Client::MilenaProducerOwned => milena_producer::run_with_owned_values(load)?,
        Client::MilenaPublisher => milena_publisher::run(load)?,
        Client::MilenaReliablePublisher => milena_reliable_publisher::run(load)?,
        Client::MilenaRetries => milena_retries::run(load)?,
        Client::MilenaConsumer => milena_consumer::run(load)?,
        Client::RdkafkaFutureProducer => rdkafka_future_producer::run(load)?,
        Client::RdkafkaBaseProducer => rdkafka_base_producer::run(load)?,
        Client::RdkafkaBaseConsumer => rdkafka_base_consumer::run(load)?,
        Client::KrafkaProducer => krafka_producer::run(load)?,
        Client::KrafkaConsumer => krafka_consumer::run(load)?,
        Client::MilenaGroupConsumer => milena_group_consumer::run(load)?,
        Client::MilenaApp => milena_app::run(load)?,
        Client::RdkafkaStreamConsumer => rdkafka_stream_consumer::run(load)?,
    }
    println!("{}", serde_json::to_string(&meter.stop()?)?);
    Ok(())
}

/// The settings of Milena's publishers.
fn publisher_config(load: &Load) -> ConfigBuilder {
    Config::builder()
        .bootstrap_servers(&load.brokers)
        .set("linger.ms", &LINGER_MS.to_string())
        .set("compression.type", load.codec.name())
        .set("batch.size", &BATCH_BYTES.to_string())
        .set("buffer.memory", &BUFFER_BYTES.to_string())
}

/// Runs a client's work as a task of a runtime of its own, as a service's work is: what blocks on
/// a runtime stands beside its workers, and each waking of it goes to another thread.
fn block_on<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(runtime.spawn(work))?
}

fn print_times(times: &[u128]) -> Result<()> {
    let lines: String = times.iter().map(|time| format!("{time}\n")).collect();
    print!("{lines}");
    Ok(())
}
