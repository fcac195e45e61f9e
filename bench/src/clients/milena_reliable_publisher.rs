//! Milena's reliable publisher: every message gets an id, is followed to its end, and counted.

use crate::load::{Load, TOPIC, Value};
use anyhow::{Result, ensure};
use bytes::Bytes;
use milena::{Outgoing, Publisher};
use std::time::Duration;

/// How long the last messages may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(publish(load.clone()))
}

async fn publish(load: Load) -> Result<()> {
    let config = super::publisher_config(&load).build()?;
    let publisher = Publisher::new(&config)?.reliable().build()?;
    let mut value = Value::new(load.payload);
    for number in 0..load.messages {
        let message = Outgoing::to(TOPIC)
            .partition(load.partition(number))
            .value(Bytes::copy_from_slice(value.numbered(number)));
        publisher.publish(message).await?;
    }
    let counts = publisher.close(CLOSE_TIMEOUT).await;
    ensure!(counts.delivered == load.messages, "{counts:?}");
    Ok(())
}
