//! The handle: what jobs there are, how they do, and switching and triggering them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::desk::Desk;
use crate::failure::ErrorClass;

/// An application's jobs, while it runs: [`App::jobs`](crate::App::jobs). Clones are the
/// same.
///
/// ```
/// use std::time::Duration;
/// use milena::{App, Config};
///
/// async fn clean_up() {}
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let app = App::new(Config::from_env()?).every(Duration::from_secs(300), clean_up);
/// let jobs = app.jobs();
/// tokio::spawn(app.run());
///
/// jobs.trigger("clean_up").await?; // returns when that run has ended
/// jobs.disable("clean_up")?;
/// for job in jobs.list() {
///     println!("{}: {} runs, {} failed", job.name, job.runs, job.failures);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Jobs {
    desks: Arc<Mutex<Vec<Arc<Desk>>>>,
}

/// How one job does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobStatus {
    /// Its name.
    pub name: Arc<str>,
    /// When it runs: `every 30s`, or a cron expression and its time zone.
    pub timetable: String,
    /// Whether its timetable counts.
    pub is_enabled: bool,
    /// Runs under way.
    pub running: usize,
    /// Runs that ended, well or not.
    pub runs: u64,
    /// Runs that failed, panicked or took too long.
    pub failures: u64,
    /// Ticks that passed without a run, and will have none.
    pub missed: u64,
    /// When the last run began.
    pub last_started: Option<SystemTime>,
    /// How long the last run that ended took.
    pub last_duration: Option<Duration>,
    /// What the last run that failed said.
    pub last_error: Option<String>,
    /// When the next run is planned; none of a job that is disabled, whose application
    /// does not run, or whose cron expression matches no time to come.
    pub next_at: Option<SystemTime>,
}

/// Why a job could not be steered, or how a triggered run failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// There is no job of this name.
    #[error("there is no job {name:?}; there {}", list(known))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: Vec<Arc<str>>,
    },
    /// Enough triggers wait for the job to be free; this one was not taken.
    #[error("job {job:?} has enough triggers waiting for it; try again when a run has ended")]
    Busy {
        /// The job.
        job: Arc<str>,
    },
    /// The application has stopped, or is about to.
    #[error("job {job:?} does not run any more: its application stops")]
    Stopped {
        /// The job.
        job: Arc<str>,
    },
    /// The run failed.
    #[error("job {job:?} failed: {message}")]
    Failed {
        /// The job.
        job: Arc<str>,
        /// As the job classed its failure.
        class: ErrorClass,
        /// What the job said.
        message: String,
    },
}

fn list(known: &[Arc<str>]) -> String {
    if known.is_empty() {
        return "are none".to_owned();
    }
    let names: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
    format!("are {}", names.join(", "))
}

impl Jobs {
    /// How all jobs do, in the order they were added.
    #[must_use]
    pub fn list(&self) -> Vec<JobStatus> {
        self.desks().iter().map(|desk| desk.status()).collect()
    }

    /// How one job does.
    ///
    /// # Errors
    /// [`JobError::Unknown`].
    pub fn status(&self, name: &str) -> Result<JobStatus, JobError> {
        Ok(self.find(name)?.status())
    }

    /// Runs a job now, or when it is free; returns when that run has ended. A disabled job
    /// runs too. Before the application runs, the trigger waits for it.
    ///
    /// # Errors
    /// [`JobError::Failed`] as the run failed, [`JobError::Stopped`] when there was none;
    /// [`JobError::Busy`], [`JobError::Unknown`].
    pub async fn trigger(&self, name: &str) -> Result<(), JobError> {
        let desk = self.find(name)?;
        let ended = desk.trigger()?;
        ended.await.unwrap_or_else(|_| Err(desk.stopped()))
    }

    /// Has a job run by its timetable again, from the next tick on.
    ///
    /// # Errors
    /// [`JobError::Unknown`].
    pub fn enable(&self, name: &str) -> Result<(), JobError> {
        self.find(name)?.set_enabled(true);
        Ok(())
    }

    /// Has a job run no more by its timetable. A run under way goes on; ticks until it is
    /// enabled are not missed, they do not count.
    ///
    /// # Errors
    /// [`JobError::Unknown`].
    pub fn disable(&self, name: &str) -> Result<(), JobError> {
        self.find(name)?.set_enabled(false);
        Ok(())
    }

    /// The jobs that no task runs any more.
    pub(crate) fn dead(&self) -> Vec<String> {
        let desks = self.desks();
        let dead = desks.iter().filter(|desk| desk.is_over());
        dead.map(|desk| desk.name.to_string()).collect()
    }

    pub(crate) fn add(&self, entry: &super::JobEntry) {
        self.desks().push(entry.desk.clone());
    }

    fn find(&self, name: &str) -> Result<Arc<Desk>, JobError> {
        let desks = self.desks();
        let found = desks.iter().find(|desk| &*desk.name == name);
        found.cloned().ok_or_else(|| JobError::Unknown {
            name: name.to_owned(),
            known: desks.iter().map(|desk| desk.name.clone()).collect(),
        })
    }

    fn desks(&self) -> MutexGuard<'_, Vec<Arc<Desk>>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.list()).finish()
    }
}
