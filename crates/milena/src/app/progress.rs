//! What an application has done so far, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what happens to records; clones share the counts. Reading is cheap and may be a
/// batch behind.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    handled: AtomicU64,
    retries: AtomicU64,
    dead_lettered: AtomicU64,
    partitions: AtomicU64,
}

impl Progress {
    /// Records whose handler succeeded, at whichever attempt.
    #[must_use]
    pub fn handled(&self) -> u64 {
        self.counters.handled.load(Ordering::Relaxed)
    }

    /// Attempts after a record's first.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.counters.retries.load(Ordering::Relaxed)
    }

    /// Records that are in a dead letter topic, acknowledged.
    #[must_use]
    pub fn dead_lettered(&self) -> u64 {
        self.counters.dead_lettered.load(Ordering::Relaxed)
    }

    /// Partitions that are assigned to this member of the group now.
    #[must_use]
    pub fn partitions(&self) -> u64 {
        self.counters.partitions.load(Ordering::Relaxed)
    }

    pub(super) fn set_partitions(&self, count: usize) {
        self.counters
            .partitions
            .store(count as u64, Ordering::Relaxed);
    }

    pub(super) fn add_handled(&self, count: u64) {
        self.counters.handled.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn add_retry(&self) {
        self.counters.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_dead_lettered(&self) {
        self.counters.dead_lettered.fetch_add(1, Ordering::Relaxed);
    }
}
