//! What is told about an application's health.

use std::fmt;
use std::time::Duration;

use milena_client::TopicPartition;
use tracing::field::display;

/// An application's health at one moment.
///
/// *Live* is whether restarting the process could be of use, *ready* whether records that
/// come now are handled soon, *started* whether it ever was a member of its group. An
/// orchestrator restarts what is not live, and sends no traffic to what is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthReport {
    /// Nothing is wrong that time would not mend.
    pub is_live: bool,
    /// Records are handled now.
    pub is_ready: bool,
    /// The application was a member of its group once; with jobs only, it runs.
    pub is_started: bool,
    /// All that is wrong.
    pub problems: Vec<HealthProblem>,
}

impl HealthReport {
    /// The health of an application that does not run: it is yet to start, or has ended.
    #[cfg(feature = "http")]
    pub(crate) fn of(problem: HealthProblem) -> HealthReport {
        HealthReport {
            is_live: problem == HealthProblem::Starting,
            is_ready: false,
            is_started: false,
            problems: vec![problem],
        }
    }

    /// Writes the verdict to the log.
    pub(crate) fn log(&self) {
        let (is_live, is_ready) = (self.is_live, self.is_ready);
        if self.problems.iter().all(HealthProblem::is_wanted) {
            let problems = (!is_ready).then(|| display(self.list()));
            tracing::info!(event = "health_changed", is_live, is_ready, problems);
        } else {
            let problems = display(self.list());
            tracing::warn!(event = "health_changed", is_live, is_ready, problems);
        }
    }

    /// All problems in one line.
    fn list(&self) -> String {
        let problems: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        problems.join("; ")
    }
}

/// One thing that is wrong with an application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthProblem {
    /// It is not connected yet. Not ready.
    Starting,
    /// The application has ended. Not live.
    Ended {
        /// Why, if it was not told to.
        failure: Option<String>,
    },
    /// The application finishes what it is at. Not ready.
    Stopping,
    /// Somebody paused it. Not ready.
    Paused,
    /// Topics are paused because their handlers fail
    /// ([`pause_when_failing`](crate::TopicHandler::pause_when_failing)). Not ready.
    TopicsPaused {
        /// The topics, without the prefix.
        topics: Vec<String>,
    },
    /// It has no place in its group. Not ready; not live after `health.grace.ms`.
    NotAMember {
        /// For how long.
        since: Duration,
    },
    /// The group's coordinator does not answer, or no broker does. Not ready after half
    /// of `session.timeout.ms`; not live when it is over and `health.grace.ms` too.
    Unheard {
        /// For how long.
        since: Duration,
    },
    /// The consumer cannot go on. Not live.
    ConsumerEnded {
        /// What ended it.
        failure: String,
    },
    /// Records are in a handler's hands, and none of them was done for
    /// `health.stuck.timeout.ms`. Not live.
    Stuck {
        /// The partition, without the topic prefix.
        partition: TopicPartition,
        /// The offset that is to be done next.
        offset: i64,
        /// For how long nothing was done.
        since: Duration,
    },
    /// Records are there, and none was fetched or done for `health.stuck.timeout.ms`.
    /// Not live.
    NoProgress {
        /// The partition, without the topic prefix.
        partition: TopicPartition,
        /// How many records wait.
        lag: u64,
        /// For how long nothing moved.
        since: Duration,
    },
    /// The task that hands records to handlers does not come round any more. Not live.
    DispatcherSilent {
        /// For how long.
        since: Duration,
    },
    /// A job's task ended, and nobody told it to. Not live.
    JobDead {
        /// The job.
        job: String,
    },
}

impl HealthProblem {
    /// The application ends, or has.
    pub(crate) fn is_the_end(&self) -> bool {
        matches!(self, HealthProblem::Stopping | HealthProblem::Ended { .. })
    }

    /// Somebody wants it so.
    fn is_wanted(&self) -> bool {
        matches!(self, HealthProblem::Paused)
    }
}

impl fmt::Display for HealthProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |since: &Duration| since.as_secs();
        match self {
            HealthProblem::Starting => write!(formatter, "the application connects"),
            HealthProblem::Ended { failure: None } => write!(formatter, "the application ended"),
            HealthProblem::Ended {
                failure: Some(failure),
            } => write!(formatter, "the application failed: {failure}"),
            HealthProblem::Stopping => write!(formatter, "the application stops"),
            HealthProblem::Paused => write!(formatter, "the application is paused"),
            HealthProblem::TopicsPaused { topics } => {
                write!(formatter, "paused, as handlers fail: {}", topics.join(", "))
            }
            HealthProblem::NotAMember { since } => {
                write!(
                    formatter,
                    "not a member of the group for {} s",
                    seconds(since)
                )
            }
            HealthProblem::Unheard { since } => {
                write!(
                    formatter,
                    "no answer from the cluster for {} s",
                    seconds(since)
                )
            }
            HealthProblem::ConsumerEnded { failure } => {
                write!(formatter, "the consumer ended: {failure}")
            }
            HealthProblem::Stuck {
                partition,
                offset,
                since,
            } => write!(
                formatter,
                "{partition} is stuck at offset {offset} for {} s",
                seconds(since)
            ),
            HealthProblem::NoProgress {
                partition,
                lag,
                since,
            } => write!(
                formatter,
                "{partition} has {lag} records waiting and made no progress for {} s",
                seconds(since)
            ),
            HealthProblem::DispatcherSilent { since } => {
                write!(
                    formatter,
                    "the dispatcher is silent for {} s",
                    seconds(since)
                )
            }
            HealthProblem::JobDead { job } => write!(formatter, "job {job:?} is dead"),
        }
    }
}
