//! rdkafka's FutureProducer: every delivery is a future and is awaited.

use super::rdkafka_settings;
use crate::load::{DELIVERIES_OPEN_MAX, Load, TOPIC, Value};
use anyhow::{Context, Result};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::collections::VecDeque;

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(produce(load.clone()))
}

async fn produce(load: Load) -> Result<()> {
    let producer: FutureProducer = rdkafka_settings::producer(&load).create()?;
    let mut value = Value::new(load.payload);
    let mut open = VecDeque::with_capacity(DELIVERIES_OPEN_MAX);
    for number in 0..load.messages {
        let partition = load.partition(number);
        let mut record = FutureRecord::<(), [u8]>::to(TOPIC)
            .partition(partition)
            .payload(value.numbered(number));
        loop {
            match producer.send_result(record) {
                Ok(delivery) => {
                    open.push_back(delivery);
                    break;
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                    record = same;
                    await_oldest(&mut open).await?;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        if open.len() >= DELIVERIES_OPEN_MAX {
            await_oldest(&mut open).await?;
        }
    }
    while !open.is_empty() {
        await_oldest(&mut open).await?;
    }
    Ok(())
}

async fn await_oldest(open: &mut VecDeque<DeliveryFuture>) -> Result<()> {
    if let Some(delivery) = open.pop_front() {
        delivery
            .await
            .context("a delivery was dropped")?
            .map_err(|(error, _)| error)?;
    }
    Ok(())
}
