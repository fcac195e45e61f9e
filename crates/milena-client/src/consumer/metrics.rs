//! What is measured of one partition's records on their way to the application.

use metrics::{Counter, Gauge, counter, gauge};

use crate::metrics::{CONSUMED_MESSAGES, CONSUMER_FETCHED_BYTES, CONSUMER_LAG, partition_labels};
use crate::topology::TopicPartition;

/// The metrics of one assigned partition.
#[derive(Debug)]
pub(super) struct PartitionMetrics {
    messages: Counter,
    bytes: Counter,
    lag: Gauge,
}

impl PartitionMetrics {
    pub(super) fn new(partition: &TopicPartition) -> Self {
        let labels = || partition_labels(&partition.topic, partition.partition);
        Self {
            messages: counter!(CONSUMED_MESSAGES, labels()),
            bytes: counter!(CONSUMER_FETCHED_BYTES, labels()),
            lag: gauge!(CONSUMER_LAG, labels()),
        }
    }

    /// A batch of so many records and bytes was handed out.
    pub(super) fn handed_out(&self, records: usize, bytes: usize) {
        self.messages.increment(records as u64);
        self.bytes.increment(bytes as u64);
    }

    /// So many offsets lie between the position and the end.
    pub(super) fn lag(&self, offsets: u64) {
        self.lag.set(offsets as f64);
    }
}

impl Drop for PartitionMetrics {
    /// A partition that was given up is behind nothing: whoever has it now tells its lag.
    fn drop(&mut self) {
        self.lag.set(0.0);
    }
}
