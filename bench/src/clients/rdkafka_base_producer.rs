//! rdkafka's BaseProducer: no future, a callback counts the acknowledgements.

use super::rdkafka_settings;
use crate::load::{Load, TOPIC, Value};
use anyhow::{Result, ensure};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many messages are sent between two polls for callbacks.
const MESSAGES_PER_POLL: u64 = 1_000;
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(1);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Counter {
    delivered: AtomicU64,
    failed: AtomicU64,
}

impl ClientContext for Counter {}

impl ProducerContext for Counter {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        let counter = match result {
            Ok(_) => &self.delivered,
            Err(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) fn run(load: &Load) -> Result<()> {
    let producer: BaseProducer<Counter> =
        rdkafka_settings::producer(load).create_with_context(Counter::default())?;
    let mut value = Value::new(load.payload);
    for number in 0..load.messages {
        let mut record = BaseRecord::<(), [u8]>::to(TOPIC)
            .partition(load.partition(number))
            .payload(value.numbered(number));
        while let Err((error, same)) = producer.send(record) {
            let is_full = error == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            ensure!(is_full, "{error}");
            record = same;
            producer.poll(QUEUE_FULL_WAIT);
        }
        if number % MESSAGES_PER_POLL == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(FLUSH_TIMEOUT)?;
    let delivered = producer.context().delivered.load(Ordering::Relaxed);
    let failed = producer.context().failed.load(Ordering::Relaxed);
    ensure!(
        delivered == load.messages && failed == 0,
        "{delivered} of {} delivered, {failed} failed",
        load.messages
    );
    Ok(())
}
