//! Milena's producer, one record after another: each is sent when the one before is acknowledged.

use crate::load::{Load, TOPIC, Value};
use anyhow::Result;
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Client, ClientConfig};
use std::time::Instant;

/// The times in nanoseconds.
pub(super) fn run(load: &Load) -> Result<Vec<u128>> {
    super::block_on(send(load.clone()))
}

async fn send(load: Load) -> Result<Vec<u128>> {
    let client = Client::new(ClientConfig::new(&load.brokers))?;
    let producer = Producer::new(&client, ProducerConfig::default())?;
    let mut value = Value::new(load.payload);
    let mut times = Vec::new();
    for number in 0..load.messages {
        let record = Record::to(TOPIC).partition(0).value(value.numbered(number));
        let started = Instant::now();
        producer.send(record).await?;
        times.push(started.elapsed().as_nanos());
    }
    producer.close().await?;
    client.close().await;
    Ok(times)
}
