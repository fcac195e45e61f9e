//! What one group has committed.
//!
//! Plain data: owns the offsets and when each was committed. Knows no members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::limits::OFFSETS_PER_GROUP_MAX;

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    /// The next offset to be consumed.
    pub(crate) offset: i64,
    /// −1 if the client did not say.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: Arc<str>,
    /// Wall clock, milliseconds.
    pub(crate) committed_ms: i64,
}

/// The committed offsets of one group, by topic and partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupOffsets {
    topics: BTreeMap<Arc<str>, BTreeMap<i32, CommittedOffset>>,
    count: usize,
}

impl GroupOffsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Whether so many offsets of further partitions would be too many.
    pub(crate) fn has_room_for(&self, more: usize) -> bool {
        self.count + more <= OFFSETS_PER_GROUP_MAX
    }

    pub(crate) fn commit(&mut self, topic: &Arc<str>, partition: i32, offset: CommittedOffset) {
        let partitions = self.topics.entry(topic.clone()).or_default();
        if partitions.insert(partition, offset).is_none() {
            self.count += 1;
        }
    }

    pub(crate) fn committed(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, i32, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(move |(partition, offset)| (topic, *partition, offset))
        })
    }

    /// Drops what belongs to a deleted topic; says whether there was anything.
    pub(crate) fn forget_topic(&mut self, topic: &str) -> bool {
        match self.topics.remove(topic) {
            Some(partitions) => {
                self.count -= partitions.len();
                true
            }
            None => false,
        }
    }

    /// Drops what was committed for one partition.
    pub(crate) fn delete(&mut self, topic: &str, partition: i32) {
        let Some(partitions) = self.topics.get_mut(topic) else {
            return;
        };
        if partitions.remove(&partition).is_some() {
            self.count -= 1;
        }
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
    }

    /// Drops what was committed before `oldest_ms`; says whether there was anything.
    pub(crate) fn expire(&mut self, oldest_ms: i64) -> bool {
        let before = self.count;
        for partitions in self.topics.values_mut() {
            partitions.retain(|_, offset| offset.committed_ms >= oldest_ms);
        }
        self.topics.retain(|_, partitions| !partitions.is_empty());
        self.count = self.topics.values().map(BTreeMap::len).sum();
        self.count != before
    }
}

/// Offsets by topic and partition.
pub(crate) type OffsetRows = Vec<(Arc<str>, i32, CommittedOffset)>;

/// Offsets of a group in transactions that are not decided yet (KIP-98), by producer id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PendingOffsets {
    transactions: BTreeMap<i64, OffsetRows>,
}

impl PendingOffsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    pub(crate) fn count(&self) -> usize {
        self.transactions.values().map(Vec::len).sum()
    }

    pub(crate) fn add(&mut self, producer_id: i64, rows: OffsetRows) {
        let pending = self.transactions.entry(producer_id).or_default();
        let renewed: BTreeSet<_> = rows.iter().map(|row| (row.0.clone(), row.1)).collect();
        pending.retain(|row| !renewed.contains(&(row.0.clone(), row.1)));
        pending.extend(rows);
    }

    /// Takes out what a transaction brought.
    pub(crate) fn take(&mut self, producer_id: i64) -> OffsetRows {
        self.transactions.remove(&producer_id).unwrap_or_default()
    }

    pub(crate) fn has(&self, producer_id: i64) -> bool {
        self.transactions.contains_key(&producer_id)
    }

    /// Whether an offset of this partition is undecided.
    pub(crate) fn contains(&self, topic: &str, partition: i32) -> bool {
        let mut rows = self.transactions.values().flatten();
        rows.any(|row| row.1 == partition && *row.0 == *topic)
    }

    /// Drops what belongs to a deleted topic; says whether there was anything.
    pub(crate) fn forget_topic(&mut self, topic: &str) -> bool {
        let before = self.count();
        for rows in self.transactions.values_mut() {
            rows.retain(|row| *row.0 != *topic);
        }
        self.count() != before
    }

    pub(crate) fn into_transactions(self) -> impl Iterator<Item = (i64, OffsetRows)> {
        self.transactions.into_iter()
    }
}
