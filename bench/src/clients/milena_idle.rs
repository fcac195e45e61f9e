//! Milena's consumers with nothing to do: as many as there are messages, on one client, each a member
//! of a group of its own. They get their partition, then stand still for a while.

use crate::load::{Load, TOPIC};
use anyhow::{Result, ensure};
use milena_client::consumer::{Consumer, ConsumerConfig};
use milena_client::{Client, ClientConfig};
use std::time::{Duration, Instant};

const JOIN_WAIT: Duration = Duration::from_secs(60);
const JOIN_INTERVAL: Duration = Duration::from_millis(50);
/// Heartbeats and empty fetches go on meanwhile.
const STILL: Duration = Duration::from_secs(10);

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(stand_still(load.clone()))
}

async fn stand_still(load: Load) -> Result<()> {
    let client = Client::new(ClientConfig::new(&load.brokers))?;
    let mut consumers = Vec::new();
    for number in 0..load.messages {
        let config = ConsumerConfig::group(format!("idle-{number}"));
        let consumer = Consumer::new(&client, config)?;
        consumer.subscribe([TOPIC]).await?;
        consumers.push(consumer);
    }
    let started = Instant::now();
    while consumers
        .iter()
        .any(|consumer| consumer.assignment().is_empty())
    {
        ensure!(started.elapsed() < JOIN_WAIT, "not all consumers joined");
        tokio::time::sleep(JOIN_INTERVAL).await;
    }
    tokio::time::sleep(STILL).await;
    drop(consumers);
    client.close().await;
    Ok(())
}
