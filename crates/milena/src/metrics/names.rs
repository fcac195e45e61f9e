//! The names of Milena's own metrics, and what they are.

use metrics::{Unit, describe_counter, describe_gauge};

pub(crate) mod publisher {
    pub(crate) const ACCEPTED: &str = "milena_publisher_accepted_total";
    pub(crate) const MESSAGES: &str = "milena_publisher_messages_total";
    pub(crate) const RETRIES: &str = "milena_publisher_retries_total";
    pub(crate) const PENDING: &str = "milena_publisher_pending_messages";
    pub(crate) const WAITING: &str = "milena_publisher_waiting_messages";
    pub(crate) const SPOOL_MESSAGES: &str = "milena_publisher_spool_messages";
    pub(crate) const SPOOL_BYTES: &str = "milena_publisher_spool_bytes";
    pub(crate) const SPOOL_DAMAGED_BYTES: &str = "milena_publisher_spool_damaged_bytes";
    pub(crate) const BREAKER_OPEN: &str = "milena_publisher_breaker_open";
    pub(crate) const OLDEST_WAITING: &str = "milena_publisher_oldest_waiting_seconds";
}

const COUNTERS: &[(&str, &str)] = &[
    (publisher::ACCEPTED, "Messages taken"),
    (publisher::MESSAGES, "Messages by their end"),
    (
        publisher::RETRIES,
        "Attempts beyond the first of each message",
    ),
];

const GAUGES: &[(&str, Unit, &str)] = &[
    (
        publisher::PENDING,
        Unit::Count,
        "Messages without an end that are in memory only",
    ),
    (
        publisher::WAITING,
        Unit::Count,
        "Failed messages that wait for a retry or a dead letter",
    ),
    (publisher::SPOOL_MESSAGES, Unit::Count, "Messages on disk"),
    (
        publisher::SPOOL_BYTES,
        Unit::Bytes,
        "Bytes of the files of messages on disk",
    ),
    (
        publisher::SPOOL_DAMAGED_BYTES,
        Unit::Bytes,
        "Bytes on disk that could not be read",
    ),
    (
        publisher::BREAKER_OPEN,
        Unit::Count,
        "Circuit breakers that let nothing but a probe through",
    ),
    (
        publisher::OLDEST_WAITING,
        Unit::Seconds,
        "How long the oldest failed or spooled message waits",
    ),
];

/// Tells the recorder that is installed what Milena's own metrics mean. `install_prometheus` does
/// it by itself; for exporters other than ours, call it once.
pub fn describe() {
    for (name, description) in COUNTERS {
        describe_counter!(*name, Unit::Count, *description);
    }
    for (name, unit, description) in GAUGES {
        describe_gauge!(*name, *unit, *description);
    }
}
