//! Milena's consumer as a member of a group, with `serde_json`: what an application adds to this is
//! its price.

use crate::load::{Event, Load, TOPIC};
use anyhow::{Context, Result, ensure};
use milena_client::consumer::{Consumer, ConsumerConfig, FetchedBatch, OffsetReset};
use milena_client::{Client, ClientConfig};
use std::hint::black_box;
use std::time::{Duration, Instant};

const POLL_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(handle(load.clone()))
}

async fn handle(load: Load) -> Result<()> {
    let client = Client::new(ClientConfig::new(&load.brokers))?;
    let config = ConsumerConfig::group(TOPIC)
        .auto_offset_reset(OffsetReset::Earliest)
        .enable_auto_commit(false);
    let consumer = Consumer::new(&client, config)?;
    consumer.subscribe([TOPIC]).await?;
    let mut messages = 0;
    let mut committed = Instant::now();
    while messages < load.messages {
        let polled = consumer.poll(POLL_TIMEOUT).await?;
        ensure!(!polled.is_empty(), "nothing came after {messages} messages");
        for batch in &polled.batches {
            messages += read(batch)?;
        }
        if committed.elapsed() >= super::COMMIT_INTERVAL {
            consumer.commit().await?;
            committed = Instant::now();
        }
    }
    consumer.commit().await?;
    consumer.close().await?;
    client.close().await;
    Ok(())
}

fn read(batch: &FetchedBatch) -> Result<u64> {
    let mut messages = 0;
    for record in batch {
        let value = record?.value.context("a record has no value")?;
        let event: Event = serde_json::from_slice(value)?;
        black_box(&event);
        messages += 1;
    }
    Ok(messages)
}
