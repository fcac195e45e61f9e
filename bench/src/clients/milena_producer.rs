//! Milena's producer: every delivery is a future and is awaited.

use crate::load::{
    BATCH_BYTES, BUFFER_BYTES, Codec, DELIVERIES_OPEN_MAX, LINGER_MS, Load, TOPIC, Value,
};
use anyhow::Result;
use milena_client::producer::{Acks, Producer, ProducerConfig, Record};
use milena_client::{Client, ClientConfig, Compression};
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
        let record = Record::to(TOPIC)
            .partition(load.partition(number))
            .value(value.numbered(number));
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
