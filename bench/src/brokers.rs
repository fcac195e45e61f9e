//! The brokers that clients are measured against, each served by a process of its own.

use crate::load::TOPIC;
use crate::null_broker;
use anyhow::Result;
use clap::ValueEnum;
use milena_broker::Broker as Embedded;
use milena_client::admin::NewTopic;
use milena_client::{Admin, Client, ClientConfig};
use std::io::{Read, Write};

/// What answers the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Broker {
    /// Our own, with memory storage.
    Milena,
    /// Acknowledges what is produced without looking at it, serves the same batches for ever.
    Null,
}

impl Broker {
    pub(crate) const ALL: [Self; 2] = [Self::Milena, Self::Null];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Milena => "milena",
            Self::Null => "null",
        }
    }

    /// Whether a consumer finds records there only if somebody produced them before.
    pub(crate) fn needs_records(self) -> bool {
        self == Self::Milena
    }
}

/// Serves `broker` until stdin ends, that is, until the process that started this one lets go.
pub(crate) fn serve(broker: Broker, partitions: i32) -> Result<()> {
    match broker {
        Broker::Milena => {
            let runtime = tokio::runtime::Runtime::new()?;
            let broker = runtime.block_on(start(partitions))?;
            wait_for_end_of_stdin(&broker.bootstrap())
        }
        Broker::Null => {
            let address = null_broker::start(partitions)?;
            wait_for_end_of_stdin(&address.to_string())
        }
    }
}

/// Our own broker with the topic: not every client has topics made when it asks for them.
async fn start(partitions: i32) -> Result<Embedded> {
    let broker = Embedded::builder()
        .property("num.partitions", &partitions.to_string())?
        .start()
        .await?;
    let client = Client::new(ClientConfig::new(&broker.bootstrap()))?;
    let topic = NewTopic::new(TOPIC).partitions(partitions);
    Admin::new(&client).create_topic(topic).await?;
    client.close().await;
    Ok(broker)
}

fn wait_for_end_of_stdin(address: &str) -> Result<()> {
    println!("{address}");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
