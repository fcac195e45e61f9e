//! rdkafka's StreamConsumer as a member of a group, with `serde_json`: what was handled is stored for
//! the next commit.

use super::rdkafka_settings;
use crate::load::{Event, Load, TOPIC};
use anyhow::{Context, Result};
use rdkafka::Message;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use std::hint::black_box;

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(handle(load.clone()))
}

async fn handle(load: Load) -> Result<()> {
    let consumer: StreamConsumer = rdkafka_settings::consumer(&load)
        .set("enable.auto.commit", "true")
        .set("enable.auto.offset.store", "false")
        .set(
            "auto.commit.interval.ms",
            super::COMMIT_INTERVAL.as_millis().to_string(),
        )
        .create()?;
    consumer.subscribe(&[TOPIC])?;
    for _ in 0..load.messages {
        let message = consumer.recv().await?;
        let value = message.payload().context("a record has no value")?;
        let event: Event = serde_json::from_slice(value)?;
        black_box(&event);
        consumer.store_offset_from_message(&message)?;
    }
    consumer.commit_consumer_state(CommitMode::Sync)?;
    Ok(())
}
