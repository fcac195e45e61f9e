//! A topic's partitions as the producer sees them, and the choice among them.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use super::error::{ProduceError, ProduceErrorKind};
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

    /// The partition that `record` goes to.
    #[inline]
    pub(super) fn partition_of(
        &self,
        record: &Record<'_>,
        partitioning: &Partitioning,
    ) -> Result<PartitionRef<'_>, ProduceError> {
        let index = record
            .partition
            .unwrap_or_else(|| self.choose(record, partitioning));
        let position = usize::try_from(index).unwrap_or(usize::MAX);
        match self.initial.get(position) {
            Some(partition) => Ok(PartitionRef::Initial(partition)),
            None => self.grown_partition(index, position),
        }
    }

    #[cold]
    fn grown_partition(
        &self,
        index: i32,
        position: usize,
    ) -> Result<PartitionRef<'_>, ProduceError> {
        let grown = self.grown.load();
        let partition = grown.get(position - self.initial.len());
        let partition = partition.cloned().map(PartitionRef::Grown);
        partition.ok_or_else(|| {
            ProduceError::from(ProduceErrorKind::NoSuchPartition {
                topic: self.name.clone(),
                partition: index,
                partition_count: self.partition_count(),
            })
        })
    }

    fn choose(&self, record: &Record<'_>, partitioning: &Partitioning) -> i32 {
        let count = self.partition_count() as i32;
        match (partitioning, record.key) {
            (Partitioning::HashOrSticky, Some(key)) if count > 0 => partition_for_key(key, count),
            (Partitioning::HashOrSticky, _) => self.sticky.load(Ordering::Relaxed) as i32,
            (Partitioning::Custom(partitioner), key) => {
                partitioner.partition(&self.name, key, count)
            }
        }
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

/// A partition for the time of one append.
pub(super) enum PartitionRef<'a> {
    Initial(&'a Arc<Partition>),
    Grown(Arc<Partition>),
}

impl Deref for PartitionRef<'_> {
    type Target = Arc<Partition>;

    #[inline]
    fn deref(&self) -> &Arc<Partition> {
        match self {
            PartitionRef::Initial(partition) => partition,
            PartitionRef::Grown(partition) => partition,
        }
    }
}

/// The leader of a partition as `metadata` has it.
pub(super) fn leader_of(metadata: &TopicMetadata, partition: i32) -> Option<NodeId> {
    metadata.partition(partition)?.leader
}
