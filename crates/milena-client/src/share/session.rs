//! A share session with one broker: what it knows of us, and what we have to tell it.
//!
//! Owns the session's epoch, the partitions the broker remembers, and the
//! acknowledgements that wait for the next request; must not know sockets, clocks
//! or records (KIP-932).

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// The epoch that opens a session.
const EPOCH_OPEN: i32 = 0;
/// The epoch that closes it.
const EPOCH_CLOSE: i32 = -1;

/// A partition as brokers name it.
pub(super) type PartitionId = (Uuid, i32);

/// What becomes of an offset; the numbers are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is no record.
    Gap = 0,
    Accept = 1,
    Release = 2,
    Reject = 3,
}

/// A run of offsets with one verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) verdict: Verdict,
}

/// Acknowledgements by partition.
pub(super) type Runs = BTreeMap<PartitionId, Vec<Run>>;

/// What a request to the broker says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SharePlan {
    pub(super) epoch: i32,
    /// Partitions to fetch from now on.
    pub(super) added: BTreeSet<PartitionId>,
    /// Partitions not to fetch any more.
    pub(super) forgotten: BTreeSet<PartitionId>,
    pub(super) runs: Runs,
}

/// The session with one broker.
#[derive(Debug, Default)]
pub(super) struct ShareSession {
    epoch: i32,
    known: BTreeSet<PartitionId>,
    /// Not told yet.
    waiting: BTreeMap<PartitionId, BTreeMap<i64, Verdict>>,
}

impl ShareSession {
    /// Has the verdict on an offset told with the next request.
    pub(super) fn acknowledge(&mut self, partition: PartitionId, offset: i64, verdict: Verdict) {
        let offsets = self.waiting.entry(partition).or_default();
        offsets.insert(offset, verdict);
    }

    /// Whether verdicts wait to be told.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the broker keeps partitions for us.
    pub(super) fn has_partitions(&self) -> bool {
        !self.known.is_empty()
    }

    /// The next fetch: of exactly `wanted`, with the verdicts that wait. A request
    /// that opens a session cannot tell any.
    pub(super) fn plan_fetch(&mut self, wanted: &BTreeSet<PartitionId>) -> SharePlan {
        SharePlan {
            epoch: self.epoch,
            added: wanted.difference(&self.known).copied().collect(),
            forgotten: self.known.difference(wanted).copied().collect(),
            runs: match self.epoch {
                EPOCH_OPEN => Runs::new(),
                _ => self.take_runs(),
            },
        }
    }

    /// A request with verdicts alone; none when there is nothing to tell, or no
    /// session to tell it in.
    pub(super) fn plan_acknowledge(&mut self) -> Option<SharePlan> {
        if self.epoch == EPOCH_OPEN || self.waiting.is_empty() {
            return None;
        }
        Some(SharePlan {
            epoch: self.epoch,
            runs: self.take_runs(),
            ..SharePlan::default()
        })
    }

    /// The last request: the broker releases what was not acknowledged. None when
    /// there is no session.
    pub(super) fn plan_close(&mut self) -> Option<SharePlan> {
        if self.epoch == EPOCH_OPEN {
            return None;
        }
        let runs = self.take_runs();
        self.reset();
        Some(SharePlan {
            epoch: EPOCH_CLOSE,
            runs,
            ..SharePlan::default()
        })
    }

    /// The broker has taken in `plan`.
    pub(super) fn on_success(&mut self, plan: &SharePlan) {
        self.known.extend(plan.added.iter().copied());
        for partition in &plan.forgotten {
            self.known.remove(partition);
        }
        self.epoch = match self.epoch {
            i32::MAX => 1,
            epoch => epoch + 1,
        };
    }

    /// The session is gone, or nobody knows where it stands: open another. Verdicts
    /// that wait are told in that one; the broker says if they come too late.
    pub(super) fn reset(&mut self) {
        self.epoch = EPOCH_OPEN;
        self.known.clear();
    }

    /// The broker cannot serve the partition now: name it again later.
    pub(super) fn forget(&mut self, partition: &PartitionId) {
        self.known.remove(partition);
    }

    fn take_runs(&mut self) -> Runs {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let runs = waiting.map(|(partition, offsets)| (partition, in_runs(offsets)));
        runs.collect()
    }
}

/// Joins neighbouring offsets with the same verdict.
fn in_runs(offsets: BTreeMap<i64, Verdict>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (offset, verdict) in offsets {
        match runs.last_mut() {
            Some(run) if run.verdict == verdict && run.last + 1 == offset => run.last = offset,
            _ => runs.push(Run {
                first: offset,
                last: offset,
                verdict,
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests;
