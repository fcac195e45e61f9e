//! A topic's partitions as the producer sees them, and the choice among them.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::error::{ProduceError, ProduceErrorKind};
use super::partition::Partition;
use super::record::Record;
use crate::NodeId;
use crate::metadata::TopicMetadata;
use crate::partitioner::Partitioning;

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
    /// How many records went round robin.
    turn: AtomicUsize,
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
            turn: AtomicUsize::new(sticky),
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
    // Once a record, in every way that one is published: the second way put it out of line, which
    // alone costs 25 instructions.
    #[inline(always)]
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

    #[inline]
    fn choose(&self, record: &Record<'_>, partitioning: &Partitioning) -> i32 {
        let count = self.partition_count();
        let fixed = partitioning.fixed(&self.name, record.key, count as i32);
        fixed.unwrap_or_else(|| match partitioning {
            Partitioning::RoundRobin => self.next_in_turn(count),
            _ => self.sticky.load(Ordering::Relaxed) as i32,
        })
    }

    /// The next partition in turn that has a leader; the next one when none has.
    fn next_in_turn(&self, count: usize) -> i32 {
        let take = || self.turn.fetch_add(1, Ordering::Relaxed) % count.max(1);
        let first = take();
        let mut index = first;
        for _ in 0..count {
            if self.has_leader(index) {
                return index as i32;
            }
            index = take();
        }
        first as i32
    }

    /// Moves records without a key on to another partition: of two that have a leader and are
    /// drawn at random, the one with less waiting in front of it. Two choices spread nearly as
    /// evenly as looking at all (KIP-794 does), and cost the same with 10,000 partitions. One whose
    /// oldest full batch waits since before `stuck_since` counts as one without a leader.
    pub(super) fn move_sticky(&self, adaptive: bool, stuck_since: Option<Instant>) {
        let count = self.partition_count();
        if count < 2 {
            return;
        }
        let current = self.sticky.load(Ordering::Relaxed);
        let draw = || {
            let start = current + 1 + fastrand::usize(..count - 1);
            let mut candidates = (0..count).map(|step| (start + step) % count);
            candidates.find(|index| *index != current && self.is_available(*index, stuck_since))
        };
        let next = match (draw(), adaptive.then(draw).flatten()) {
            (Some(one), Some(other)) if self.backlog(other) < self.backlog(one) => other,
            (Some(one), _) => one,
            (None, _) => fastrand::usize(..count),
        };
        self.sticky.store(next, Ordering::Relaxed);
    }

    fn has_leader(&self, index: usize) -> bool {
        self.with_partition(index, |partition| partition.leader().is_some())
    }

    fn is_available(&self, index: usize, stuck_since: Option<Instant>) -> bool {
        let is_stuck = |since| {
            let waits = |partition: &Arc<Partition>| partition.queue().is_full_since(since);
            self.with_partition(index, waits)
        };
        self.has_leader(index) && !stuck_since.is_some_and(is_stuck)
    }

    fn backlog(&self, index: usize) -> usize {
        self.with_partition(index, |partition| partition.queue().full_count())
    }

    fn with_partition<T: Default>(
        &self,
        index: usize,
        look: impl FnOnce(&Arc<Partition>) -> T,
    ) -> T {
        if let Some(partition) = self.initial.get(index) {
            return look(partition);
        }
        let grown = self.grown.load();
        let partition = index.checked_sub(self.initial.len());
        partition
            .and_then(|position| grown.get(position))
            .map(look)
            .unwrap_or_default()
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

#[cfg(test)]
mod tests;
