//! The judgement: observations and a time go in, a report comes out.
//!
//! A plain state machine. Remembers since when each partition has not moved and since when
//! the membership is missing; reads no clock and asks nobody.

use std::collections::HashMap;
use std::time::Duration;

use milena_client::TopicPartition;
use tokio::time::Instant;

use super::report::{HealthProblem, HealthReport};

/// How long what is wrong may last before it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Work without progress.
    pub(crate) stuck: Duration,
    /// Without a place in the group, or an answer, beyond the session timeout.
    pub(crate) grace: Duration,
    pub(crate) session_timeout: Duration,
    /// Between two looks.
    pub(crate) interval: Duration,
}

/// How far a partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkSeen {
    pub(crate) partition: TopicPartition,
    /// Everything before it is done; `None` before the first record was.
    pub(crate) done: Option<i64>,
    /// Everything before it was given to handlers; `None` before the first record was.
    pub(crate) given: Option<i64>,
    /// Records that are not fetched yet, as far as is known.
    pub(crate) lag: u64,
    /// Nothing is to be handled, on purpose.
    pub(crate) is_paused: bool,
}

impl WorkSeen {
    /// Records that are not done.
    pub(crate) fn to_do(&self) -> u64 {
        let in_hand = match (self.given, self.done) {
            (Some(given), Some(done)) => u64::try_from(given.saturating_sub(done)).unwrap_or(0),
            _ => 0,
        };
        self.lag.saturating_add(in_hand)
    }
}

/// What can be seen of an application at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    pub(crate) now: Instant,
    pub(crate) stage: StageSeen,
    /// `None` of an application with jobs only.
    pub(crate) membership: Option<MembershipSeen>,
    pub(crate) dead_jobs: Vec<String>,
    /// Paused because their handlers fail.
    pub(crate) paused_topics: Vec<String>,
}

/// How far the application's task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StageSeen {
    Running,
    Paused,
    Stopping,
    Ended { failure: Option<String> },
}

/// How it stands with the group.
#[derive(Debug, Clone)]
pub(crate) struct MembershipSeen {
    pub(crate) is_member: bool,
    /// Since the coordinator's last answer.
    pub(crate) unheard: Duration,
    pub(crate) fatal: Option<String>,
}

/// Remembers what is needed to tell slow from stuck.
#[derive(Debug)]
pub(crate) struct Judge {
    patience: Patience,
    partitions: HashMap<TopicPartition, Remembered>,
    /// When the dispatcher last told how far it is.
    seen_at: Instant,
    was_member: bool,
    missing_since: Option<Instant>,
    /// Whether it was live and ready when that was news last.
    told: (bool, bool),
}

#[derive(Debug)]
struct Remembered {
    last: WorkSeen,
    moved_at: Instant,
}

impl Judge {
    pub(crate) fn new(patience: Patience, now: Instant) -> Judge {
        Judge {
            patience,
            partitions: HashMap::new(),
            seen_at: now,
            was_member: false,
            missing_since: None,
            // What starts is not ready: nobody needs to be told.
            told: (true, false),
        }
    }

    /// Whether this is another verdict than the last one, and worth a line in the log.
    /// Stopping and having ended have lines of their own.
    pub(crate) fn is_news(&mut self, report: &HealthReport) -> bool {
        if report.problems.iter().any(HealthProblem::is_the_end) {
            return false;
        }
        let verdict = (report.is_live, report.is_ready);
        std::mem::replace(&mut self.told, verdict) != verdict
    }

    /// The dispatcher tells how far its partitions are; those it leaves out are gone.
    pub(crate) fn see_work(&mut self, seen: Vec<WorkSeen>, now: Instant) {
        self.seen_at = now;
        let mut before = std::mem::take(&mut self.partitions);
        for work in seen {
            let moved_at = match before.remove(&work.partition) {
                Some(known) if !has_moved(&known.last, &work) => known.moved_at,
                _ => now,
            };
            let remembered = Remembered {
                last: work.clone(),
                moved_at,
            };
            self.partitions.insert(work.partition, remembered);
        }
    }

    /// What to say, given what can be seen now.
    pub(crate) fn report(&mut self, observed: Observed) -> HealthReport {
        let now = observed.now;
        let mut report = HealthReport {
            is_live: true,
            is_ready: true,
            is_started: true,
            problems: Vec::new(),
        };
        match observed.stage {
            StageSeen::Ended { failure } => {
                report.is_started = self.was_member || observed.membership.is_none();
                report.not_live(HealthProblem::Ended { failure });
                return report;
            }
            StageSeen::Stopping => report.not_ready(HealthProblem::Stopping),
            StageSeen::Paused => report.not_ready(HealthProblem::Paused),
            StageSeen::Running => {}
        }
        if !observed.paused_topics.is_empty() {
            report.not_ready(HealthProblem::TopicsPaused {
                topics: observed.paused_topics,
            });
        }
        for job in observed.dead_jobs {
            report.not_live(HealthProblem::JobDead { job });
        }
        if let Some(membership) = observed.membership {
            self.judge_membership(membership, now, &mut report);
            self.judge_dispatcher(now, &mut report);
            self.judge_partitions(now, &mut report);
            report.is_started = self.was_member;
        }
        report
    }

    fn judge_membership(&mut self, seen: MembershipSeen, now: Instant, report: &mut HealthReport) {
        if let Some(failure) = seen.fatal {
            report.not_live(HealthProblem::ConsumerEnded { failure });
            return;
        }
        let Patience {
            grace,
            session_timeout,
            ..
        } = self.patience;
        let since = seen.unheard;
        if since >= session_timeout.saturating_add(grace) {
            report.not_live(HealthProblem::Unheard { since });
        } else if since >= session_timeout / 2 {
            report.not_ready(HealthProblem::Unheard { since });
        }
        if seen.is_member {
            self.was_member = true;
            self.missing_since = None;
            return;
        }
        let missing_since = *self.missing_since.get_or_insert(now);
        let since = now.saturating_duration_since(missing_since);
        let problem = HealthProblem::NotAMember { since };
        if since >= grace {
            report.not_live(problem);
        } else {
            report.not_ready(problem);
        }
    }

    fn judge_dispatcher(&self, now: Instant, report: &mut HealthReport) {
        let since = now.saturating_duration_since(self.seen_at);
        if since >= self.patience.stuck.max(3 * self.patience.interval) {
            report.not_live(HealthProblem::DispatcherSilent { since });
        }
    }

    fn judge_partitions(&self, now: Instant, report: &mut HealthReport) {
        let mut problems: Vec<HealthProblem> = self
            .partitions
            .values()
            .filter_map(|remembered| self.judge_partition(remembered, now))
            .collect();
        problems.sort_by_key(ToString::to_string);
        problems.into_iter().for_each(|one| report.not_live(one));
    }

    fn judge_partition(&self, remembered: &Remembered, now: Instant) -> Option<HealthProblem> {
        let Remembered { last, moved_at } = remembered;
        let since = now.saturating_duration_since(*moved_at);
        if since < self.patience.stuck || last.is_paused {
            return None;
        }
        let partition = last.partition.clone();
        if last.given > last.done {
            let offset = last.done.unwrap_or_default();
            return Some(HealthProblem::Stuck {
                partition,
                offset,
                since,
            });
        }
        (last.lag > 0).then_some(HealthProblem::NoProgress {
            partition,
            lag: last.lag,
            since,
        })
    }
}

/// Whether there was progress between two looks, or nothing to do, or nothing to be done.
fn has_moved(before: &WorkSeen, now: &WorkSeen) -> bool {
    let has_work = now.given > now.done || now.lag > 0;
    let had_work = before.given > before.done || before.lag > 0;
    before.done != now.done || !has_work || !had_work || now.is_paused
}

impl HealthReport {
    fn not_live(&mut self, problem: HealthProblem) {
        self.is_live = false;
        self.not_ready(problem);
    }

    fn not_ready(&mut self, problem: HealthProblem) {
        self.is_ready = false;
        self.problems.push(problem);
    }
}

#[cfg(test)]
mod tests;
