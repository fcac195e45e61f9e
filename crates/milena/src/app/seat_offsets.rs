//! How far a partition is: what its worker has done, and what is committed of it.
//!
//! Two numbers that a worker and whoever commits share without a lock. Neither may take the
//! group back behind what is committed already (pitfall 15).

use std::sync::atomic::{AtomicI64, Ordering};

/// How far a partition is: written by its worker and by whoever commits.
#[derive(Debug)]
pub(super) struct SeatOffsets {
    done: AtomicI64,
    committed: AtomicI64,
}

/// No offset is negative.
const NONE: i64 = -1;

impl Default for SeatOffsets {
    fn default() -> SeatOffsets {
        SeatOffsets {
            done: AtomicI64::new(NONE),
            committed: AtomicI64::new(NONE),
        }
    }
}

impl SeatOffsets {
    /// Everything below `next_offset` is done.
    pub(super) fn set_done(&self, next_offset: i64) {
        self.done.store(next_offset, Ordering::Release);
    }

    /// What was set done last.
    pub(super) fn done(&self) -> Option<i64> {
        let done = self.done.load(Ordering::Acquire);
        (done != NONE).then_some(done)
    }

    /// What is to be committed, when it is not yet. What is committed may be ahead of what
    /// was done when it is read: an older offset is never asked for again.
    pub(super) fn uncommitted(&self) -> Option<i64> {
        let done = self.done.load(Ordering::Acquire);
        (done > self.committed.load(Ordering::Acquire)).then_some(done)
    }

    /// Everything below `next_offset` is done and committed.
    pub(super) fn set_both(&self, next_offset: i64) {
        self.set_committed(next_offset);
        self.set_done(next_offset);
    }

    /// A commit that is heard of late takes nothing back.
    pub(super) fn set_committed(&self, next_offset: i64) {
        self.committed.fetch_max(next_offset, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
