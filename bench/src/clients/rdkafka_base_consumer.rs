//! rdkafka's BaseConsumer: one borrowed message a poll.

use super::rdkafka_settings;
use crate::load::{Load, TOPIC};
use anyhow::{Context, Result, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::hint::black_box;
use std::time::Duration;

const POLL_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn run(load: &Load) -> Result<()> {
    let consumer: BaseConsumer = rdkafka_settings::consumer(load).create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..load.partitions {
        assignment.add_partition_offset(TOPIC, partition, Offset::Offset(0))?;
    }
    consumer.assign(&assignment)?;
    let mut bytes = 0;
    for number in 0..load.messages {
        let message = consumer
            .poll(POLL_TIMEOUT)
            .with_context(|| format!("nothing came after {number} messages"))??;
        bytes += black_box(message.key()).map_or(0, <[u8]>::len);
        bytes += black_box(message.payload()).map_or(0, <[u8]>::len);
    }
    ensure!(bytes > 0, "all messages were empty");
    Ok(())
}
