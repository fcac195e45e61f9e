//! Milena's reliable publisher while the cluster takes nothing: every message fails, and waits in
//! memory for its next attempt until all do. Then each is accounted for.

use crate::load::{Load, TOPIC_REFUSED, Value};
use anyhow::{Result, ensure};
use bytes::Bytes;
use milena::{Outgoing, Publisher, Retry};
use std::time::Duration;

/// No attempt comes due while messages are counted.
const RETRY_DELAY: Duration = Duration::from_secs(86_400);
/// How long to wait before looking again whether all messages wait.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// A key takes memory as well.
const KEYS: u64 = 10_000;

pub(super) fn run(load: &Load) -> Result<()> {
    super::block_on(publish(load.clone()))
}

async fn publish(load: Load) -> Result<()> {
    let config = super::publisher_config(&load)
        .set("request.timeout.ms", "500")
        .set("delivery.timeout.ms", "1000")
        .build()?;
    let publisher = Publisher::new(&config)?
        .reliable()
        .retry(Retry::fixed(RETRY_DELAY))
        .no_dead_letters()
        .waiting_max(usize::try_from(load.messages)?.saturating_add(1))
        .build()?;
    let mut value = Value::new(load.payload);
    for number in 0..load.messages {
        let message = Outgoing::to(TOPIC_REFUSED)
            .partition(load.partition(number))
            .key(format!("key-{}", number % KEYS))
            .value(Bytes::copy_from_slice(value.numbered(number)));
        publisher.publish(message).await?;
    }
    while (publisher.health().waiting as u64) < load.messages {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    eprintln!("{} messages wait for their next attempt", load.messages);
    let waiting = publisher.counts();
    ensure!(waiting.pending() == load.messages, "{waiting:?}");
    // There is nowhere else for them, so each is told as failed.
    let counts = publisher.close(Duration::ZERO).await;
    ensure!(counts.failed == load.messages, "{counts:?}");
    Ok(())
}
