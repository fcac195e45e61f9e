//! The producer: records accepted, and their acknowledgements taken.
//!
//! Everything runs on one thread, the broker too, so that nothing happens between two records of a
//! measured function but what the record costs.

use crate::VALUE_BYTES;
use anyhow::{Context as _, Result, ensure};
use milena_broker::Broker;
use milena_client::producer::{Delivery, Producer, ProducerConfig, Record, TopicHandle};
use milena_client::{Client, ClientConfig};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) const TOPIC: &str = "budgets";
pub(crate) const PARTITIONS: u64 = 12;
/// Room for all messages at once: nothing waits, nothing is sent while records are accepted.
pub(crate) const BUFFER_BYTES: usize = 256 * 1024 * 1024;
const FLUSH_TIMEOUT: Duration = Duration::from_secs(120);

/// Accepts records into batches; sends none of them.
pub(crate) fn enqueue(messages: u64) -> Result<()> {
    with_topic(async |_, topic| {
        let deliveries = measured_enqueue(topic, messages)?;
        ensure!(deliveries.len() as u64 == messages, "not all were accepted");
        Ok(())
    })
}

/// Takes the acknowledgements of records that the broker has.
pub(crate) fn complete(messages: u64) -> Result<()> {
    with_topic(async |producer, topic| {
        let deliveries = accept(topic, messages)?;
        producer.flush(FLUSH_TIMEOUT).await?;
        measured_complete(deliveries)
    })
}

fn with_topic(work: impl AsyncFnOnce(&Producer, &TopicHandle) -> Result<()>) -> Result<()> {
    with_broker(async |broker| {
        let client = Client::new(ClientConfig::new(&broker.bootstrap()))?;
        let config = ProducerConfig::default().buffer_bytes_max(BUFFER_BYTES);
        let producer = Producer::new(&client, config)?;
        let topic = producer.topic(TOPIC).await?;
        // The clock of the producer ticks from the first record on, once its task has run.
        let first = topic.enqueue(Record::to(TOPIC).value("first")).await?;
        tokio::task::yield_now().await;
        drop(first);
        work(&producer, &topic).await
    })
}

/// Does something with a broker, which is on the same thread.
pub(crate) fn with_broker(work: impl AsyncFnOnce(&Broker) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let broker = Broker::builder()
            .property("num.partitions", &PARTITIONS.to_string())?
            .start()
            .await?;
        work(&broker).await
    })
}

#[inline(never)]
fn measured_enqueue(topic: &TopicHandle, messages: u64) -> Result<Vec<Delivery>> {
    accept(topic, messages)
}

#[inline(always)]
fn accept(topic: &TopicHandle, messages: u64) -> Result<Vec<Delivery>> {
    let value = [b'v'; VALUE_BYTES];
    let mut deliveries = Vec::with_capacity(usize::try_from(messages)?);
    for number in 0..messages {
        let partition = (number % PARTITIONS) as i32;
        let record = Record::to(TOPIC).partition(partition).value(&value);
        let accepted = ready(topic.enqueue(record)).context("a record had to wait")?;
        deliveries.push(accepted?);
    }
    Ok(deliveries)
}

#[inline(never)]
fn measured_complete(deliveries: Vec<Delivery>) -> Result<()> {
    for delivery in deliveries {
        let metadata = ready(delivery).context("a record is not settled")??;
        ensure!(metadata.offset().is_some(), "a record has no offset");
    }
    Ok(())
}

/// What the future has at once.
#[inline(always)]
pub(crate) fn ready<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
