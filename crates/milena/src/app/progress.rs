//! What an application has done so far, in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::failed::Ended;
use super::gate::Gate;
use crate::publisher::BreakerState;

/// Counts what happens to records; clones share the counts. Reading is cheap and may be a
/// batch behind.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    handled: AtomicU64,
    failures: AtomicU64,
    retries: AtomicU64,
    dead_lettered: AtomicU64,
    skipped: AtomicU64,
    commits: AtomicU64,
    commits_failed: AtomicU64,
    commit_micros: AtomicU64,
    lag: AtomicU64,
    partitions: AtomicU64,
    without_handler: AtomicU64,
    /// Of which topics that was said already.
    strangers: Mutex<BTreeSet<String>>,
    /// Those of topics that may be paused.
    gates: Mutex<BTreeMap<String, Arc<Gate>>>,
}

/// More topics than these without a handler are counted, and no longer told apart.
const STRANGERS_MAX: usize = 1_000;

impl Progress {
    /// Records whose handler succeeded, at whichever attempt.
    #[must_use]
    pub fn handled(&self) -> u64 {
        self.counters.handled.load(Ordering::Relaxed)
    }

    /// Attempts that failed, whatever became of their records.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.counters.failures.load(Ordering::Relaxed)
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

    /// Records that failed for good and of which nothing is kept; see
    /// [`HandlerError::skip`](crate::HandlerError::skip) and
    /// [`TopicHandler::skip_on_failure`](crate::TopicHandler::skip_on_failure).
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.counters.skipped.load(Ordering::Relaxed)
    }

    /// Records and partitions of topics that no handler is for: those of a topic that was
    /// taken out of the application while its records waited in the retry topic.
    #[must_use]
    pub fn without_handler(&self) -> u64 {
        self.counters.without_handler.load(Ordering::Relaxed)
    }

    /// The topics that are paused because their handlers fail, and whether a probe is under
    /// way ([`BreakerState::HalfOpen`]); see
    /// [`TopicHandler::pause_when_failing`](crate::TopicHandler::pause_when_failing).
    #[must_use]
    pub fn paused_topics(&self) -> Vec<(String, BreakerState)> {
        let gates = self.counters.gates.lock();
        let gates = gates.unwrap_or_else(PoisonError::into_inner);
        let shut = gates.iter().filter(|(_, gate)| !gate.is_open());
        shut.map(|(topic, gate)| (topic.clone(), gate.state()))
            .collect()
    }

    /// Commits that the cluster acknowledged: those from time to time, the last ones before
    /// partitions go, and transactions.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.counters.commits.load(Ordering::Relaxed)
    }

    /// Commits that failed, transactions that were aborted among them. What they were to
    /// commit is committed with a later one, or handled again by who has the partition next.
    #[must_use]
    pub fn commits_failed(&self) -> u64 {
        self.counters.commits_failed.load(Ordering::Relaxed)
    }

    /// How long the last commit took.
    #[must_use]
    pub fn commit_latency(&self) -> Duration {
        Duration::from_micros(self.counters.commit_micros.load(Ordering::Relaxed))
    }

    /// Records of this member's partitions that are not done, as of the last look
    /// (`health.interval.ms`).
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.counters.lag.load(Ordering::Relaxed)
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

    pub(super) fn set_lag(&self, records: u64) {
        self.counters.lag.store(records, Ordering::Relaxed);
    }

    pub(super) fn add_commit(&self, took: Duration, is_committed: bool) {
        let counters = &self.counters;
        let counter = if is_committed {
            &counters.commits
        } else {
            &counters.commits_failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        counters.commit_micros.store(micros, Ordering::Relaxed);
    }

    pub(super) fn add_handled(&self, count: u64) {
        self.counters.handled.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn watch(&self, topic: &str, gate: &Arc<Gate>) {
        let gates = self.counters.gates.lock();
        let mut gates = gates.unwrap_or_else(PoisonError::into_inner);
        gates.insert(topic.to_owned(), gate.clone());
    }

    /// Warns the first time a topic comes up.
    pub(super) fn add_without_handler(&self, topic: &str) {
        self.counters
            .without_handler
            .fetch_add(1, Ordering::Relaxed);
        let strangers = self.counters.strangers.lock();
        let mut strangers = strangers.unwrap_or_else(PoisonError::into_inner);
        if strangers.len() < STRANGERS_MAX && strangers.insert(topic.to_owned()) {
            tracing::warn!(event = "topic_without_handler", topic);
        }
    }

    pub(super) fn add_failures(&self, count: u64) {
        self.counters.failures.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn add_retry(&self) {
        self.counters.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a record by its end; one that was moved or given back has not come to it.
    pub(super) fn add_ended(&self, ended: Ended) {
        let counter = match ended {
            Ended::Handled => &self.counters.handled,
            Ended::DeadLettered => &self.counters.dead_lettered,
            Ended::Skipped => &self.counters.skipped,
            Ended::Moved | Ended::GivenBack => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
