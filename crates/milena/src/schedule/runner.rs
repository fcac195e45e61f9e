//! Runs the jobs: a task each that asks its planner what to do and does it.
//!
//! Owns tasks, sleeping and stopping; decides nothing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::clock::Clock;
use super::desk::{Asker, Desk, Next};
use super::entry::JobEntry;
use super::job::OnFailure;
use super::jobs::JobError;
use super::tick::Tick;
use crate::failure::{ErrorClass, HandlerError, class_name};
use crate::handler::HandlerResult;

/// A run whose failure is to stop the application.
#[derive(Debug)]
pub(crate) struct JobFailed {
    pub(crate) job: Arc<str>,
    pub(crate) error: HandlerError,
}

/// Takes failures that are to stop the application.
pub(crate) type OnFatal = Arc<dyn Fn(JobFailed) + Send + Sync>;

/// Jobs at work. Dropping it ends them where they are.
pub(crate) struct Scheduler {
    stop: watch::Sender<bool>,
    desks: Vec<Arc<Desk>>,
    tasks: JoinSet<()>,
}

impl Scheduler {
    pub(crate) fn start(jobs: Vec<JobEntry>, clock: Clock, on_fatal: &OnFatal) -> Scheduler {
        let (stop, stopped) = watch::channel(false);
        let mut scheduler = Scheduler {
            stop,
            desks: jobs.iter().map(|job| job.desk.clone()).collect(),
            tasks: JoinSet::new(),
        };
        for job in jobs {
            job.desk.begin(clock);
            let task = drive(Arc::new(job), clock, stopped.clone(), on_fatal.clone());
            scheduler.tasks.spawn(task);
        }
        scheduler
    }

    /// How many jobs there are.
    pub(crate) fn jobs(&self) -> usize {
        self.desks.len()
    }

    /// Lets no further run begin.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the runs under way have ended; ends those that take longer.
    pub(crate) async fn wind_down(mut self, timeout: Duration) {
        self.stop();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(timeout, ended).await.is_err() {
            for desk in self.desks.iter().filter(|desk| desk.running() > 0) {
                tracing::warn!(event = "job_aborted", job = %desk.name);
                desk.abandon();
            }
        }
    }
}

async fn drive(
    job: Arc<JobEntry>,
    clock: Clock,
    mut stopped: watch::Receiver<bool>,
    on_fatal: OnFatal,
) {
    let mut runs = JoinSet::new();
    while !*stopped.borrow() {
        let wait = match job.desk.next(&clock) {
            Next::Run(tick, asker) => {
                runs.spawn(run(job.clone(), tick, asker, on_fatal.clone()));
                continue;
            }
            Next::Wait(wait) => Some(wait),
            Next::Idle => None,
        };
        tokio::select! {
            _ = stopped.changed() => break,
            () = sleep(wait) => {}
            () = job.desk.changed() => {}
            Some(_) = runs.join_next() => {}
        }
    }
    job.desk.close();
    while runs.join_next().await.is_some() {}
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

async fn run(job: Arc<JobEntry>, tick: Tick, asker: Option<Asker>, on_fatal: OnFatal) {
    let name = job.desk.name.clone();
    let cause = tick.cause.name();
    tracing::debug!(event = "job_started", job = %name, cause, run = tick.number);
    let began = Instant::now();
    let result = call(&job, &tick).await;
    let took = began.elapsed();
    job.desk.end_run(&result, took);
    let duration_ms = took.as_millis();
    let told = match result {
        Ok(()) => {
            tracing::debug!(event = "job_finished", job = %name, cause, run = tick.number, duration_ms);
            Ok(())
        }
        Err(error) => {
            tracing::warn!(
                event = "job_failed",
                job = %name,
                cause,
                run = tick.number,
                duration_ms,
                class = class_name(error.class()),
                code = error.code(),
                %error,
            );
            let told = JobError::Failed {
                job: name.clone(),
                class: error.class(),
                message: error.to_string(),
            };
            if job.on_failure == OnFailure::Stop || error.class() == ErrorClass::Terminal {
                on_fatal(JobFailed { job: name, error });
            }
            Err(told)
        }
    };
    if let Some(asker) = asker {
        // Whoever asked may have gone.
        let _ = asker.send(told);
    }
}

/// Calls the function; a panic or a run that takes too long is a failure.
async fn call(job: &JobEntry, tick: &Tick) -> HandlerResult {
    // The function is called within: it may panic before it returns a future.
    let call = AssertUnwindSafe(async { (job.call)(tick).await }).catch_unwind();
    let ended = match job.timeout {
        None => call.await,
        Some(timeout) => match tokio::time::timeout(timeout, call).await {
            Ok(ended) => ended,
            Err(_) => {
                let late = format!("the job took longer than {timeout:?}");
                return Err(HandlerError::retriable(late).with_code("timeout"));
            }
        },
    };
    ended.unwrap_or_else(|payload| Err(HandlerError::panicked(payload.as_ref())))
}

#[cfg(test)]
mod tests;
