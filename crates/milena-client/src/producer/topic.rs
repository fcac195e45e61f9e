//! A topic's partitions as the producer sees them, and the choice among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use super::error::ProduceError;
use super::partition::Partition;
use super::record::Record;
use crate::NodeId;
use crate::metadata::TopicMetadata;
use crate::partitioner::{Partitioning, partition_for_key};

/// The partitions of one topic.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    partitions: ArcSwap<Vec<Arc<Partition>>>,
    /// Where records without a key go for now.
    sticky: AtomicUsize,
}

impl Topic {
    pub(super) fn new(name: Arc<str>, partitions: Vec<Arc<Partition>>) -> Self {
        let sticky = fastrand::usize(..partitions.len().max(1));
        Topic {
            name,
            partitions: ArcSwap::from_pointee(partitions),
            sticky: AtomicUsize::new(sticky),
        }
    }

    pub(super) fn partitions(&self) -> Arc<Vec<Arc<Partition>>> {
        self.partitions.load_full()
    }

    /// Appends the partitions that a topic grew by.
    pub(super) fn grow(&self, more: Vec<Arc<Partition>>) {
        let mut partitions = (*self.partitions()).clone();
        partitions.extend(more);
        self.partitions.store(Arc::new(partitions));
    }

    /// Calls `use_partition` with the record's partition.
    #[inline]
    pub(super) fn with_partition<T>(
        &self,
        record: &Record<'_>,
        partitioning: &Partitioning,
        use_partition: impl FnOnce(&Arc<Partition>) -> T,
    ) -> Result<T, ProduceError> {
        let partitions = self.partitions.load();
        let count = partitions.len();
        let index = match (record.partition, partitioning, record.key) {
            (Some(partition), ..) => partition,
            (None, Partitioning::HashOrSticky, Some(key)) if count > 0 => {
                partition_for_key(key, count as i32)
            }
            (None, Partitioning::HashOrSticky, _) => self.sticky.load(Ordering::Relaxed) as i32,
            (None, Partitioning::Custom(partitioner), key) => {
                partitioner.partition(&self.name, key, count as i32)
            }
        };
        match usize::try_from(index)
            .ok()
            .and_then(|index| partitions.get(index))
        {
            Some(partition) => Ok(use_partition(partition)),
            None => Err(ProduceError::NoSuchPartition {
                topic: self.name.clone(),
                partition: index,
                partition_count: count,
            }),
        }
    }

    /// Moves records without a key on to another partition, one with a leader if there is one.
    pub(super) fn move_sticky(&self) {
        let partitions = self.partitions.load();
        let count = partitions.len();
        if count < 2 {
            return;
        }
        let current = self.sticky.load(Ordering::Relaxed);
        let start = fastrand::usize(..count);
        let candidates = (0..count).map(|step| (start + step) % count);
        let next = candidates
            .filter(|index| *index != current)
            .find(|index| partitions[*index].leader().is_some());
        self.sticky.store(next.unwrap_or(start), Ordering::Relaxed);
    }
}

/// The leader of a partition as `metadata` has it.
pub(super) fn leader_of(metadata: &TopicMetadata, partition: i32) -> Option<NodeId> {
    metadata.partition(partition)?.leader
}
