//! krafka's producer, one record after another, without lingering.

use crate::load::{Load, TOPIC, Value};
use anyhow::Result;
use bytes::Bytes;
use krafka::producer::{Acks, Producer, ProducerRecord};
use std::time::{Duration, Instant};

/// The times in nanoseconds.
pub(super) fn run(load: &Load) -> Result<Vec<u128>> {
    super::block_on(send(load.clone()))
}

async fn send(load: Load) -> Result<Vec<u128>> {
    let producer = Producer::builder()
        .bootstrap_servers(load.brokers.as_str())
        .acks(Acks::All)
        .idempotent(true)
        .linger(Duration::ZERO)
        .build()
        .await?;
    let mut value = Value::new(load.payload);
    let mut times = Vec::new();
    for number in 0..load.messages {
        let bytes = Bytes::copy_from_slice(value.numbered(number));
        let record = ProducerRecord::new(TOPIC, bytes).with_partition(0);
        let started = Instant::now();
        let _sent = producer.send_record(record).await?;
        times.push(started.elapsed().as_nanos());
    }
    producer.close().await;
    Ok(times)
}
