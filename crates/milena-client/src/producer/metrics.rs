//! What is measured of produced batches.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};

use super::window::{BatchSize, Verdict};
use crate::metrics::{
    PRODUCER_BATCH_RECORDS, PRODUCER_BATCHES, PRODUCER_ERRORS, PRODUCER_QUEUE_DURATION,
    PRODUCER_RETRIES, PRODUCER_SENT_BYTES, SENT_MESSAGES, partition_labels,
};

/// The metrics of one partition, made when its first batch is sent.
#[derive(Debug)]
pub(super) struct PartitionMetrics {
    messages: Counter,
    bytes: Counter,
    batches: Counter,
    retries: Counter,
    errors: Counter,
    batch_records: Histogram,
    queue_duration: Histogram,
}

impl PartitionMetrics {
    pub(super) fn new(topic: &str, partition: i32) -> Self {
        let labels = || partition_labels(topic, partition);
        Self {
            messages: counter!(SENT_MESSAGES, labels()),
            bytes: counter!(PRODUCER_SENT_BYTES, labels()),
            batches: counter!(PRODUCER_BATCHES, labels()),
            retries: counter!(PRODUCER_RETRIES, labels()),
            errors: counter!(PRODUCER_ERRORS, labels()),
            batch_records: histogram!(PRODUCER_BATCH_RECORDS),
            queue_duration: histogram!(PRODUCER_QUEUE_DURATION),
        }
    }

    /// A batch was sealed that has been open for so long.
    pub(super) fn sealed(&self, record_count: u32, open_for: Duration) {
        self.batch_records.record(record_count);
        self.queue_duration.record(open_for);
    }

    /// A batch of this size was answered.
    pub(super) fn answered(&self, size: BatchSize, verdict: &Verdict) {
        match verdict {
            Verdict::Acknowledged(_) => {
                self.messages.increment(size.records.into());
                self.bytes.increment(size.bytes as u64);
                self.batches.increment(1);
            }
            Verdict::TooLarge(_) if size.records > 1 => self.retries.increment(1),
            Verdict::Retriable | Verdict::OutOfOrder => self.retries.increment(1),
            Verdict::Rejected(_) | Verdict::TooLarge(_) => self.errors.increment(1),
        }
    }
}
