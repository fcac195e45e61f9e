//! krafka's consumer: records that own their bytes, from `poll`.

use crate::load::{Load, TOPIC};
use anyhow::{Result, ensure};
use krafka::consumer::{AutoOffsetReset, Consumer};
use std::hint::black_box;
use std::time::Duration;

const POLL_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(consume(load.clone()))
}

async fn consume(load: Load) -> Result<()> {
    let consumer = Consumer::builder()
        .bootstrap_servers(load.brokers.as_str())
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .max_poll_records(i32::MAX)
        .build()
        .await?;
    let partitions = (0..load.partitions).collect();
    consumer.assign(TOPIC, partitions).await?;
    let (mut bytes, mut messages) = (0, 0);
    while messages < load.messages {
        let records = consumer.poll(POLL_TIMEOUT).await?;
        ensure!(
            !records.is_empty(),
            "nothing came after {messages} messages"
        );
        for record in &records {
            bytes += black_box(&record.key).as_ref().map_or(0, |key| key.len());
            bytes += black_box(&record.value)
                .as_ref()
                .map_or(0, |value| value.len());
            messages += 1;
        }
    }
    ensure!(bytes > 0, "all messages were empty");
    consumer.close().await?;
    Ok(())
}
