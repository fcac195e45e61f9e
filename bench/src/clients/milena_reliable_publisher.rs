//! Milena's reliable publisher: every message gets an id, is followed to its end, and counted.

use crate::load::{DELIVERIES_OPEN_MAX, Load, TOPIC, Value};
use anyhow::{Result, ensure};
use bytes::Bytes;
use milena::{Outgoing, Publisher};
use std::time::Duration;

/// After so many messages it looks how many are open: as many as with the other clients at most.
const LOOK_EVERY: u64 = 1000;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(1);
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
        if number % LOOK_EVERY == 0 {
            while publisher.counts().pending() > DELIVERIES_OPEN_MAX as u64 {
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            }
        }
    }
    let counts = publisher.close(CLOSE_TIMEOUT).await;
    ensure!(counts.delivered == load.messages, "{counts:?}");
    Ok(())
}
