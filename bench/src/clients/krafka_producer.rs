//! krafka's producer: every delivery is a handle and is awaited.

use crate::load::{
    BATCH_BYTES, BUFFER_BYTES, Codec, DELIVERIES_OPEN_MAX, LINGER_MS, Load, TOPIC, Value,
};
use anyhow::Result;
use bytes::Bytes;
use krafka::producer::{Acks, Producer, ProducerRecord};
use krafka::protocol::Compression;
use std::collections::VecDeque;
use std::time::Duration;

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(produce(load.clone()))
}

fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::None => Compression::None,
        Codec::Lz4 => Compression::Lz4,
        Codec::Zstd => Compression::Zstd,
    }
}

async fn produce(load: Load) -> Result<()> {
    let producer = Producer::builder()
        .bootstrap_servers(load.brokers.as_str())
        .acks(Acks::All)
        .idempotent(true)
        .linger(Duration::from_millis(LINGER_MS.into()))
        .compression(compression(load.codec))
        .batch_size(usize::try_from(BATCH_BYTES)?)
        .buffer_memory(usize::try_from(BUFFER_BYTES)?)
        .build()
        .await?;
    let mut value = Value::new(load.payload);
    let mut open = VecDeque::with_capacity(DELIVERIES_OPEN_MAX);
    for number in 0..load.messages {
        let bytes = Bytes::copy_from_slice(value.numbered(number));
        let record = ProducerRecord::new(TOPIC, bytes).with_partition(load.partition(number));
        open.push_back(producer.enqueue(record).await?);
        if open.len() >= DELIVERIES_OPEN_MAX
            && let Some(oldest) = open.pop_front()
        {
            let _delivered = oldest.await?;
        }
    }
    for delivery in open {
        let _delivered = delivery.await?;
    }
    producer.close().await;
    Ok(())
}
