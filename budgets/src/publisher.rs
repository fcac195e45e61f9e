//! The reliable publisher: messages taken, each with an id and a trail to follow it by. On one thread,
//! as `client` is.

use crate::VALUE_BYTES;
use crate::client::{BUFFER_BYTES, PARTITIONS, TOPIC, ready, with_broker};
use anyhow::{Context as _, Result, ensure};
use milena::{Config, Outgoing, Publisher, ReliablePublisher};

/// Takes messages; sends none of them.
pub(crate) fn publish(messages: u64) -> Result<()> {
    with_broker(async |broker| {
        let config = Config::builder()
            .bootstrap_servers(broker.bootstrap())
            .set("buffer.memory", &BUFFER_BYTES.to_string())
            .build()?;
        let publisher = Publisher::new(&config)?.reliable().build()?;
        // Looks the topic up, and sets the producer's clock going.
        let first = Outgoing::to(TOPIC).value("first");
        publisher.publish(first).await?;
        tokio::task::yield_now().await;
        measured_publish(&publisher, messages)?;
        let accepted = publisher.counts().accepted;
        ensure!(accepted == messages + 1, "{accepted} were taken");
        Ok(())
    })
}

#[inline(never)]
fn measured_publish(publisher: &ReliablePublisher, messages: u64) -> Result<()> {
    for number in 0..messages {
        let message = Outgoing::to(TOPIC)
            .partition((number % PARTITIONS) as i32)
            .value(vec![b'v'; VALUE_BYTES]);
        ready(publisher.publish(message)).context("a message had to wait")??;
    }
    Ok(())
}
