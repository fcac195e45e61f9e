//! rdkafka's FutureProducer, one record after another, without lingering.

use super::rdkafka_settings;
use crate::load::{Load, TOPIC, Value};
use anyhow::Result;
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::time::{Duration, Instant};

/// The times in nanoseconds.
pub(super) fn run(load: &Load) -> Result<Vec<u128>> {
    super::block_on(send(load.clone()))
}

async fn send(load: Load) -> Result<Vec<u128>> {
    let producer: FutureProducer = rdkafka_settings::producer(&load)
        .set("linger.ms", "0")
        .create()?;
    let mut value = Value::new(load.payload);
    let mut times = Vec::new();
    for number in 0..load.messages {
        let record = FutureRecord::<(), [u8]>::to(TOPIC)
            .partition(0)
            .payload(value.numbered(number));
        let started = Instant::now();
        let sent = producer.send(record, Duration::ZERO).await;
        sent.map_err(|(error, _)| error)?;
        times.push(started.elapsed().as_nanos());
    }
    Ok(times)
}
