//! Milena's producer: every delivery is a future and is awaited. Its values are borrowed, or each has
//! memory of its own, as a value has that was serialized, and as publishers are handed them.

use crate::load::{
    BATCH_BYTES, BUFFER_BYTES, Codec, DELIVERIES_OPEN_MAX, LINGER_MS, Load, TOPIC, Value,
};
use anyhow::Result;
use bytes::Bytes;
use milena_client::producer::{Acks, Producer, ProducerConfig, Record};
use milena_client::{Client, ClientConfig, Compression};
use std::collections::VecDeque;
use std::time::Duration;

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(produce(load.clone(), false))
}

pub(super) fn run_with_owned_values(load: &Load) -> Result<()> {
    super::block_on(produce(load.clone(), true))
}

fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::None => Compression::None,
        Codec::Lz4 => Compression::Lz4,
        Codec::Zstd => Compression::Zstd,
    }
}

async fn produce(load: Load, is_owned: bool) -> Result<()> {
    let client = Client::new(ClientConfig::new(&load.brokers))?;
    let config = ProducerConfig::default()
        .acks(Acks::All)
        .enable_idempotence(true)
        .linger(Duration::from_millis(LINGER_MS.into()))
        .compression(compression(load.codec), None)
        .batch_bytes_max(usize::try_from(BATCH_BYTES)?)
        .buffer_bytes_max(usize::try_from(BUFFER_BYTES)?);
    let producer = Producer::new(&client, config)?;
    let topic = producer.topic(TOPIC).await?;
    let mut value = Value::new(load.payload);
    let mut open = VecDeque::with_capacity(DELIVERIES_OPEN_MAX);
    for number in 0..load.messages {
        let numbered = value.numbered(number);
        let owned = is_owned.then(|| Bytes::copy_from_slice(numbered));
        let record = Record::to(TOPIC)
            .partition(load.partition(number))
            .value(owned.as_deref().unwrap_or(numbered));
        open.push_back(topic.enqueue(record).await?);
        if open.len() >= DELIVERIES_OPEN_MAX
            && let Some(oldest) = open.pop_front()
        {
            oldest.await?;
        }
    }
    for delivery in open {
        delivery.await?;
    }
    producer.close().await?;
    client.close().await;
    Ok(())
}
