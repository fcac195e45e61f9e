//! The names of Milena's own metrics, and what they are.

use metrics::{Unit, describe_counter, describe_gauge};

pub(crate) mod publisher {
    pub(crate) const ACCEPTED: &str = "milena_publisher_accepted_total";
    pub(crate) const MESSAGES: &str = "milena_publisher_messages_total";
    pub(crate) const RETRIES: &str = "milena_publisher_retries_total";
    pub(crate) const PENDING: &str = "milena_publisher_pending_messages";
    pub(crate) const WAITING: &str = "milena_publisher_waiting_messages";
    pub(crate) const SPOOL_MESSAGES: &str = "milena_publisher_spool_messages";
    pub(crate) const SPOOL_BYTES: &str = "milena_publisher_spool_bytes";
    pub(crate) const SPOOL_DAMAGED_BYTES: &str = "milena_publisher_spool_damaged_bytes";
    pub(crate) const BREAKER_OPEN: &str = "milena_publisher_breaker_open";
    pub(crate) const OLDEST_WAITING: &str = "milena_publisher_oldest_waiting_seconds";
}

pub(crate) mod app {
    pub(crate) const RECORDS: &str = "milena_app_records_total";
    pub(crate) const FAILURES: &str = "milena_app_failures_total";
    pub(crate) const RETRIES: &str = "milena_app_retries_total";
    pub(crate) const COMMITS: &str = "milena_app_commits_total";
    pub(crate) const COMMIT_LATENCY: &str = "milena_app_commit_latency_seconds";
    pub(crate) const LAG: &str = "milena_app_lag_records";
    pub(crate) const PARTITIONS: &str = "milena_app_partitions";
    pub(crate) const PAUSED_TOPICS: &str = "milena_app_paused_topics";
    pub(crate) const JOB_RUNS: &str = "milena_app_job_runs_total";
    pub(crate) const JOB_FAILURES: &str = "milena_app_job_failures_total";
    pub(crate) const JOB_MISSED: &str = "milena_app_job_missed_ticks_total";
}

const COUNTERS: &[(&str, &str)] = &[
    (app::RECORDS, "Records by their end"),
    (app::FAILURES, "Attempts at handling that failed"),
    (app::RETRIES, "Attempts beyond the first of each record"),
    (app::COMMITS, "Commits by their end"),
    (app::JOB_RUNS, "Runs of jobs that ended"),
    (app::JOB_FAILURES, "Runs of jobs that failed"),
    (app::JOB_MISSED, "Ticks of jobs without a run"),
    (publisher::ACCEPTED, "Messages taken"),
    (publisher::MESSAGES, "Messages by their end"),
    (
        publisher::RETRIES,
        "Attempts beyond the first of each message",
    ),
];

const GAUGES: &[(&str, Unit, &str)] = &[
    (
        app::COMMIT_LATENCY,
        Unit::Seconds,
        "How long the last commit took",
    ),
    (app::LAG, Unit::Count, "Records that are not done"),
    (
        app::PARTITIONS,
        Unit::Count,
        "Partitions that are assigned to this process",
    ),
    (
        app::PAUSED_TOPICS,
        Unit::Count,
        "Topics that are paused because their handlers fail",
    ),
    (
        publisher::PENDING,
        Unit::Count,
        "Messages without an end that are in memory only",
    ),
    (
        publisher::WAITING,
        Unit::Count,
        "Failed messages that wait for a retry or a dead letter",
    ),
    (publisher::SPOOL_MESSAGES, Unit::Count, "Messages on disk"),
    (
        publisher::SPOOL_BYTES,
        Unit::Bytes,
        "Bytes of the files of messages on disk",
    ),
    (
        publisher::SPOOL_DAMAGED_BYTES,
        Unit::Bytes,
        "Bytes on disk that could not be read",
    ),
    (
        publisher::BREAKER_OPEN,
        Unit::Count,
        "Circuit breakers that let nothing but a probe through",
    ),
    (
        publisher::OLDEST_WAITING,
        Unit::Seconds,
        "How long the oldest failed or spooled message waits",
    ),
];

/// Tells the recorder that is installed what Milena's own metrics mean. `install_prometheus` does
/// it by itself; for exporters other than ours, call it once.
pub fn describe() {
    for (name, description) in COUNTERS {
        describe_counter!(*name, Unit::Count, *description);
    }
    for (name, unit, description) in GAUGES {
        describe_gauge!(*name, *unit, *description);
    }
}
