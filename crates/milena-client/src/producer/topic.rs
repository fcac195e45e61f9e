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
    /// Those it had when it was looked up: reached without any synchronisation, once a record.
    initial: Box<[Arc<Partition>]>,
    /// Those it grew by since.
    grown: ArcSwap<Vec<Arc<Partition>>>,
    count: AtomicUsize,
    /// Where records without a key go for now.
    sticky: AtomicUsize,
}

impl Topic {
    pub(super) fn new(name: Arc<str>, partitions: Vec<Arc<Partition>>) -> Self {
        let sticky = fastrand::usize(..partitions.len().max(1));
        Topic {
            name,
            count: AtomicUsize::new(partitions.len()),
            initial: partitions.into_boxed_slice(),
            grown: ArcSwap::default(),
            sticky: AtomicUsize::new(sticky),
        }
    }

    pub(super) fn partition_count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn partitions(&self) -> Vec<Arc<Partition>> {
        let grown = self.grown.load();
        self.initial.iter().chain(grown.iter()).cloned().collect()
    }

    /// Appends the partitions that a topic grew by.
    pub(super) fn grow(&self, more: Vec<Arc<Partition>>) {
        let mut grown = (**self.grown.load()).clone();
        grown.extend(more);
        let count = self.initial.len() + grown.len();
        self.grown.store(Arc::new(grown));
        self.count.store(count, Ordering::Release);
    }

    /// Calls `use_partition` with the record's partition.
    #[inline]
    pub(super) fn with_partition<T>(
        &self,
        record: &Record<'_>,
        partitioning: &Partitioning,
        use_partition: impl FnOnce(&Arc<Partition>) -> T,
    ) -> Result<T, ProduceError> {
        let count = self.partition_count();
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
        let position = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(partition) = self.initial.get(position) {
            return Ok(use_partition(partition));
        }
        let grown = self.grown.load();
        let position = position - self.initial.len();
        let partition = grown.get(position);
        partition
            .map(use_partition)
            .ok_or_else(|| ProduceError::NoSuchPartition {
                topic: self.name.clone(),
                partition: index,
                partition_count: count,
            })
    }

    /// Moves records without a key on to another partition, one with a leader if there is one.
    pub(super) fn move_sticky(&self) {
        let partitions = self.partitions();
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
