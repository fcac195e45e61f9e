//! An application's numbers, for metrics.

use super::progress::Progress;
use crate::metrics::{Level, Source, Sum, app};
use crate::schedule::Jobs;

/// What was told of an application's counts; told anew when an exporter asks.
#[derive(Debug)]
pub(super) struct Told {
    progress: Progress,
    jobs: Jobs,
    handled: Sum,
    dead_lettered: Sum,
    skipped: Sum,
    without_handler: Sum,
    failures: Sum,
    retries: Sum,
    committed: Sum,
    commits_failed: Sum,
    commit_latency: Level,
    lag: Level,
    partitions: Level,
    paused_topics: Level,
    job_runs: Sum,
    job_failures: Sum,
    job_missed: Sum,
}

impl Told {
    pub(super) fn new(progress: Progress, jobs: Jobs) -> Told {
        Told {
            progress,
            jobs,
            handled: Sum::new(app::RECORDS).label("outcome", "handled"),
            dead_lettered: Sum::new(app::RECORDS).label("outcome", "dead_lettered"),
            skipped: Sum::new(app::RECORDS).label("outcome", "skipped"),
            without_handler: Sum::new(app::RECORDS).label("outcome", "without_handler"),
            failures: Sum::new(app::FAILURES),
            retries: Sum::new(app::RETRIES),
            committed: Sum::new(app::COMMITS).label("outcome", "committed"),
            commits_failed: Sum::new(app::COMMITS).label("outcome", "failed"),
            commit_latency: Level::new(app::COMMIT_LATENCY),
            lag: Level::new(app::LAG),
            partitions: Level::new(app::PARTITIONS),
            paused_topics: Level::new(app::PAUSED_TOPICS),
            job_runs: Sum::new(app::JOB_RUNS),
            job_failures: Sum::new(app::JOB_FAILURES),
            job_missed: Sum::new(app::JOB_MISSED),
        }
    }
}

impl Source for Told {
    fn collect(&self) {
        let progress = &self.progress;
        self.handled.tell(progress.handled());
        self.dead_lettered.tell(progress.dead_lettered());
        self.skipped.tell(progress.skipped());
        self.without_handler.tell(progress.without_handler());
        self.failures.tell(progress.failures());
        self.retries.tell(progress.retries());
        self.committed.tell(progress.commits());
        self.commits_failed.tell(progress.commits_failed());
        self.commit_latency
            .tell(progress.commit_latency().as_secs_f64());
        self.lag.tell(progress.lag() as f64);
        self.partitions.tell(progress.partitions() as f64);
        self.paused_topics
            .tell(progress.paused_topics().len() as f64);
        let jobs = self.jobs.list();
        self.job_runs.tell(jobs.iter().map(|job| job.runs).sum());
        self.job_failures
            .tell(jobs.iter().map(|job| job.failures).sum());
        self.job_missed
            .tell(jobs.iter().map(|job| job.missed).sum());
    }
}
