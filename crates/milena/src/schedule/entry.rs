//! A job as an application keeps it: its types erased, its timetable read.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use super::cron::{CronTable, time_zone};
use super::desk::Desk;
use super::function::JobFunction;
use super::job::{Job, JobOptions, OnFailure};
use super::limits::PERIOD_MIN;
use super::planner::Planner;
use super::tick::Tick;
use super::timetable::Timetable;
use crate::config::ConfigError;
use crate::handler::HandlerResult;

/// Runs a job once.
type Call = Box<dyn Fn(&Tick) -> BoxFuture<'static, HandlerResult> + Send + Sync>;

/// A registered job.
pub(crate) struct JobEntry {
    pub(super) desk: Arc<Desk>,
    pub(super) call: Call,
    pub(super) timeout: Option<Duration>,
    pub(super) on_failure: OnFailure,
}

impl JobEntry {
    /// A job that runs every so often.
    pub(crate) fn every<F, Arguments, S>(
        period: Duration,
        job: Job<F, Arguments>,
        state: S,
    ) -> Result<JobEntry, ConfigError>
    where
        F: JobFunction<Arguments, S>,
        S: Send + Sync + 'static,
    {
        let timetable = period_problem(period, &job.options).map(|()| Timetable::Every(period));
        JobEntry::new(timetable, job, state)
    }

    /// A job that runs by a cron expression.
    pub(crate) fn cron<F, Arguments, S>(
        expression: &str,
        job: Job<F, Arguments>,
        state: S,
    ) -> Result<JobEntry, ConfigError>
    where
        F: JobFunction<Arguments, S>,
        S: Send + Sync + 'static,
    {
        let zone = job.options.time_zone.as_deref();
        let timetable = zone
            .map_or(Ok(TimeZone::UTC), time_zone)
            .and_then(|zone| CronTable::parse(expression, zone))
            .map(|table| Timetable::Cron(Box::new(table)));
        JobEntry::new(timetable, job, state)
    }

    fn new<F, Arguments, S>(
        timetable: Result<Timetable, String>,
        job: Job<F, Arguments>,
        state: S,
    ) -> Result<JobEntry, ConfigError>
    where
        F: JobFunction<Arguments, S>,
        S: Send + Sync + 'static,
    {
        let timetable = timetable.map_err(|problem| ConfigError::Conflict {
            field: format!("job {}", job.name),
            problem,
        })?;
        let function = job.function;
        let planner = Planner::new(timetable.clone(), job.options.plan);
        Ok(JobEntry {
            desk: Arc::new(Desk::new(job.name, timetable.to_string(), planner)),
            call: Box::new(move |tick| Box::pin(function.call(tick, &state))),
            timeout: job.options.timeout,
            on_failure: job.options.on_failure,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.desk.name
    }
}

impl Drop for JobEntry {
    /// Nothing will run the job: who waits for a run is told.
    fn drop(&mut self) {
        self.desk.abandon();
    }
}

fn period_problem(period: Duration, options: &JobOptions) -> Result<(), String> {
    if period < PERIOD_MIN {
        return Err(format!(
            "a period of {period:?} is too short; {PERIOD_MIN:?} is the least"
        ));
    }
    if options.plan.jitter >= period {
        return Err(format!(
            "a jitter of {:?} does not fit a period of {period:?}; make it shorter than that",
            options.plan.jitter
        ));
    }
    if options.time_zone.is_some() {
        return Err("a period knows no time zone; leave it out, or use a cron expression".into());
    }
    Ok(())
}
