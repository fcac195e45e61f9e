//! What the client counts and measures, through the [`metrics`] facade: install an exporter of your
//! choice before the first client is made, and they are there; without one they cost next to nothing.
//! Nothing is counted per record: a batch or a request is.
//!
//! Names follow OpenTelemetry's conventions for messaging where those have one. Each has the labels
//! in parentheses.
//!
//! | Name | Kind | What |
//! |---|---|---|
//! | `messaging.client.sent.messages` (topic, partition) | counter | records acknowledged |
//! | `messaging.client.consumed.messages` (topic, partition) | counter | records handed out, at most: a batch counts whole |
//! | `kafka.client.request.duration` (address, api) | histogram, s | from queueing a request to its answer |
//! | `kafka.client.request.bytes` (address, api) | counter, bytes | requests sent |
//! | `kafka.client.response.bytes` (address, api) | counter, bytes | answers received |
//! | `kafka.client.connections` (address) | gauge | connections open |
//! | `kafka.client.connection.failures` (address) | counter | attempts to connect that failed |
//! | `kafka.producer.sent.bytes` (topic, partition) | counter, bytes | batches acknowledged, compressed |
//! | `kafka.producer.batches` (topic, partition) | counter | batches acknowledged |
//! | `kafka.producer.retries` (topic, partition) | counter | batches that have to be sent again |
//! | `kafka.producer.errors` (topic, partition) | counter | batches refused |
//! | `kafka.producer.batch.records` | histogram | records of a batch |
//! | `kafka.producer.queue.duration` | histogram, s | from opening a batch to sealing it |
//! | `kafka.consumer.fetched.bytes` (topic, partition) | counter, bytes | batches handed out, compressed |
//! | `kafka.consumer.lag` (topic, partition) | gauge | offsets between the position and the end, as of the last poll |
//!
//! The labels are `messaging.destination.name` (topic), `messaging.destination.partition.id`,
//! `server.address` and `kafka.api`.

use metrics::{Label, Unit, describe_counter, describe_gauge, describe_histogram};

pub(crate) const SENT_MESSAGES: &str = "messaging.client.sent.messages";
pub(crate) const CONSUMED_MESSAGES: &str = "messaging.client.consumed.messages";
pub(crate) const REQUEST_DURATION: &str = "kafka.client.request.duration";
pub(crate) const REQUEST_BYTES: &str = "kafka.client.request.bytes";
pub(crate) const RESPONSE_BYTES: &str = "kafka.client.response.bytes";
pub(crate) const CONNECTIONS: &str = "kafka.client.connections";
pub(crate) const CONNECTION_FAILURES: &str = "kafka.client.connection.failures";
pub(crate) const PRODUCER_SENT_BYTES: &str = "kafka.producer.sent.bytes";
pub(crate) const PRODUCER_BATCHES: &str = "kafka.producer.batches";
pub(crate) const PRODUCER_RETRIES: &str = "kafka.producer.retries";
pub(crate) const PRODUCER_ERRORS: &str = "kafka.producer.errors";
pub(crate) const PRODUCER_BATCH_RECORDS: &str = "kafka.producer.batch.records";
pub(crate) const PRODUCER_QUEUE_DURATION: &str = "kafka.producer.queue.duration";
pub(crate) const CONSUMER_FETCHED_BYTES: &str = "kafka.consumer.fetched.bytes";
pub(crate) const CONSUMER_LAG: &str = "kafka.consumer.lag";

/// What a metric is, as an exporter wants to know it.
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

const DESCRIPTIONS: &[(&str, Kind, Unit, &str)] = {
    use Kind::{Counter, Gauge, Histogram};
    use Unit::{Bytes, Count, Seconds};
    &[
        (SENT_MESSAGES, Counter, Count, "Records acknowledged"),
        (CONSUMED_MESSAGES, Counter, Count, "Records handed out"),
        (
            REQUEST_DURATION,
            Histogram,
            Seconds,
            "From queueing a request to its answer",
        ),
        (REQUEST_BYTES, Counter, Bytes, "Requests sent"),
        (RESPONSE_BYTES, Counter, Bytes, "Answers received"),
        (CONNECTIONS, Gauge, Count, "Connections open"),
        (
            CONNECTION_FAILURES,
            Counter,
            Count,
            "Attempts to connect that failed",
        ),
        (PRODUCER_SENT_BYTES, Counter, Bytes, "Batches acknowledged"),
        (PRODUCER_BATCHES, Counter, Count, "Batches acknowledged"),
        (
            PRODUCER_RETRIES,
            Counter,
            Count,
            "Batches that have to be sent again",
        ),
        (PRODUCER_ERRORS, Counter, Count, "Batches refused"),
        (
            PRODUCER_BATCH_RECORDS,
            Histogram,
            Count,
            "Records of a batch",
        ),
        (
            PRODUCER_QUEUE_DURATION,
            Histogram,
            Seconds,
            "From opening a batch to sealing it",
        ),
        (CONSUMER_FETCHED_BYTES, Counter, Bytes, "Batches handed out"),
        (
            CONSUMER_LAG,
            Gauge,
            Count,
            "Offsets between the position and the end",
        ),
    ]
};

/// Tells the installed exporter the unit and the meaning of each metric. Call it once, after
/// installing the exporter.
pub fn describe() {
    for (name, kind, unit, meaning) in DESCRIPTIONS {
        match kind {
            Kind::Counter => describe_counter!(*name, *unit, *meaning),
            Kind::Gauge => describe_gauge!(*name, *unit, *meaning),
            Kind::Histogram => describe_histogram!(*name, *unit, *meaning),
        }
    }
}

/// The labels of a partition.
pub(crate) fn partition_labels(topic: &str, partition: i32) -> Vec<Label> {
    vec![
        Label::new("messaging.system", "kafka"),
        Label::new("messaging.destination.name", topic.to_owned()),
        Label::new("messaging.destination.partition.id", partition.to_string()),
    ]
}

/// The labels of a broker's address.
pub(crate) fn address_labels(address: &str) -> Vec<Label> {
    vec![Label::new("server.address", address.to_owned())]
}
