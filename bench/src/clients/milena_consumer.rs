//! Milena's consumer: batches from `poll`, records as views into them.

use crate::load::{Load, TOPIC};
use anyhow::{Result, ensure};
use milena_client::consumer::{Consumer, ConsumerConfig, FetchedBatch, OffsetReset};
use milena_client::{Client, ClientConfig, TopicPartition};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const POLL_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(consume(load.clone()))
}

async fn consume(load: Load) -> Result<()> {
    let client = Client::new(ClientConfig::new(&load.brokers))?;
    let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest);
    let consumer = Consumer::new(&client, config)?;
    let topic: Arc<str> = TOPIC.into();
    let assignment = (0..load.partitions).map(|partition| TopicPartition {
        topic: Arc::clone(&topic),
        partition,
    });
    consumer.assign(assignment.collect()).await?;
    let (mut bytes, mut messages) = (0, 0);
    while messages < load.messages {
        let polled = consumer.poll(POLL_TIMEOUT).await?;
        ensure!(!polled.is_empty(), "nothing came after {messages} messages");
        for batch in &polled.batches {
            let (records, record_bytes) = read(batch)?;
            messages += records;
            bytes += record_bytes;
        }
    }
    ensure!(bytes > 0, "all messages were empty");
    consumer.close().await?;
    client.close().await;
    Ok(())
}

/// Reads every record; returns how many there are, and the bytes of their keys and values. A
/// function of its own keeps the sums in registers: as variables of the future above, each record
/// waited for the last one's store.
fn read(batch: &FetchedBatch) -> Result<(u64, usize)> {
    let (mut messages, mut bytes) = (0, 0);
    for record in batch {
        let record = record?;
        bytes += black_box(record.key).map_or(0, <[u8]>::len);
        bytes += black_box(record.value).map_or(0, <[u8]>::len);
        messages += 1;
    }
    Ok((messages, bytes))
}
