//! The open and the aborted transactions of one partition (KIP-98).
//!
//! Plain data: batches and markers in, the last stable offset and lists of aborted
//! transactions out. Knows no coordinator and no bytes.

use std::collections::BTreeMap;

/// A transaction of this partition that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AbortedTransaction {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// That of the marker.
    pub(crate) last_offset: i64,
}

/// What a partition knows of transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartitionTransactions {
    /// First offsets of the open transactions, by producer id.
    open: BTreeMap<i64, i64>,
    /// In the order of their markers.
    aborted: Vec<AbortedTransaction>,
}

impl PartitionTransactions {
    /// A transactional batch was appended.
    pub(crate) fn on_batch(&mut self, producer_id: i64, base_offset: i64) {
        self.open.entry(producer_id).or_insert(base_offset);
    }

    /// A marker was appended; where nothing is open it ends nothing.
    pub(crate) fn on_marker(&mut self, producer_id: i64, offset: i64, is_abort: bool) {
        let Some(first_offset) = self.open.remove(&producer_id) else {
            return;
        };
        // Recovery may come across a marker that a checkpoint knows already.
        let is_known = self
            .aborted
            .last()
            .is_some_and(|last| last.last_offset >= offset);
        if is_abort && !is_known {
            self.aborted.push(AbortedTransaction {
                producer_id,
                first_offset,
                last_offset: offset,
            });
        }
    }

    pub(crate) fn is_open(&self, producer_id: i64) -> bool {
        self.open.contains_key(&producer_id)
    }

    /// The first offset of the producer's open transaction.
    pub(crate) fn start_of(&self, producer_id: i64) -> Option<i64> {
        self.open.get(&producer_id).copied()
    }

    /// The offset before which every transaction is decided; `end` is that of the log.
    pub(crate) fn last_stable_offset(&self, end: i64) -> i64 {
        self.open.values().copied().min().unwrap_or(end).min(end)
    }

    /// Aborted transactions with records or their marker within these offsets.
    pub(crate) fn aborted_within(&self, from: i64, before: i64) -> Vec<AbortedTransaction> {
        let since = self.aborted.partition_point(|one| one.last_offset < from);
        let candidates = self.aborted.iter().skip(since);
        candidates
            .filter(|one| one.first_offset < before)
            .copied()
            .collect()
    }

    /// Records before `start_offset` are gone.
    pub(crate) fn forget_before(&mut self, start_offset: i64) {
        self.aborted.retain(|one| one.last_offset >= start_offset);
    }

    /// For snapshots: open ones as producer id and first offset.
    pub(crate) fn open(&self) -> impl ExactSizeIterator<Item = (i64, i64)> {
        self.open.iter().map(|(id, offset)| (*id, *offset))
    }

    /// For snapshots.
    pub(crate) fn aborted(&self) -> &[AbortedTransaction] {
        &self.aborted
    }

    /// From a snapshot.
    pub(crate) fn restore(open: BTreeMap<i64, i64>, aborted: Vec<AbortedTransaction>) -> Self {
        PartitionTransactions { open, aborted }
    }
}

#[cfg(test)]
mod tests;
