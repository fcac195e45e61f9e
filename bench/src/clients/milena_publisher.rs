//! Milena's publisher: every message gets an id, every delivery is a future and is awaited.

use crate::load::{DELIVERIES_OPEN_MAX, Load, TOPIC, Value};
use anyhow::Result;
use bytes::Bytes;
use milena::{Outgoing, Publisher};
use std::collections::VecDeque;

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(publish(load.clone()))
}

async fn publish(load: Load) -> Result<()> {
    let publisher = Publisher::new(&super::publisher_config(&load).build()?)?;
    let mut value = Value::new(load.payload);
    let mut open = VecDeque::with_capacity(DELIVERIES_OPEN_MAX);
    for number in 0..load.messages {
        let message = Outgoing::to(TOPIC)
            .partition(load.partition(number))
            .value(Bytes::copy_from_slice(value.numbered(number)));
        open.push_back(publisher.enqueue(&message).await?);
        if open.len() >= DELIVERIES_OPEN_MAX
            && let Some(oldest) = open.pop_front()
        {
            oldest.await?;
        }
    }
    for delivery in open {
        delivery.await?;
    }
    publisher.close().await?;
    Ok(())
}
