//! What is said about one job: its function, name, overlap, missed ticks, jitter.

use std::marker::PhantomData;
use std::time::Duration;

use super::function::JobFunction;
use super::planner::{FirstRun, MissedTicks, Overlap, Plan};

/// Makes an async function ready for [`App::every`](crate::App::every) and
/// [`App::cron`](crate::App::cron) where it needs more said about it than when it runs.
///
/// ```
/// use std::time::Duration;
/// use milena::{HandlerError, MissedTicks, job};
///
/// async fn clean_up() -> Result<(), HandlerError> {
///     Ok(())
/// }
///
/// let clean_up = job(clean_up)
///     .name("nightly-clean-up")
///     .time_zone("Europe/Berlin")
///     .missed_ticks(MissedTicks::CatchUpOnce)
///     .jitter(Duration::from_secs(60))
///     .timeout(Duration::from_secs(600));
/// # let _: milena::Job<_, ()> = clean_up;
/// ```
pub fn job<F, Arguments>(function: F) -> Job<F, Arguments> {
    Job {
        name: default_name::<F>(),
        function,
        options: JobOptions::default(),
        arguments: PhantomData,
    }
}

/// A job with what is set for it; made by [`job`].
#[derive(Debug, Clone)]
#[must_use = "a job does nothing until an application has it"]
pub struct Job<F, Arguments> {
    pub(super) name: String,
    pub(super) function: F,
    pub(super) options: JobOptions,
    arguments: PhantomData<fn() -> Arguments>,
}

#[derive(Debug, Clone)]
pub(super) struct JobOptions {
    pub(super) plan: Plan,
    pub(super) time_zone: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) on_failure: OnFailure,
}

/// What a failed run means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// It is counted and logged, and the job goes on.
    GoOn,
    /// The application stops.
    Stop,
}

impl Default for JobOptions {
    fn default() -> JobOptions {
        JobOptions {
            plan: Plan {
                missed: MissedTicks::Skip,
                overlap: Overlap::Never,
                jitter: Duration::ZERO,
                first: FirstRun::AtFirstTick,
                is_enabled: true,
            },
            time_zone: None,
            timeout: None,
            on_failure: OnFailure::GoOn,
        }
    }
}

impl<F, Arguments> Job<F, Arguments> {
    /// The name in logs, metrics and [`Jobs`](crate::Jobs); the function's own by default.
    /// Each job of an application needs one of its own.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Where the clock of a cron expression hangs: an IANA name (`Europe/Berlin`), or
    /// POSIX's form (`CET-1CEST,M3.5.0,M10.5.0/3`). UTC by default. A time that a change to
    /// summer time leaves out runs right after the gap; one that comes twice runs once.
    pub fn time_zone(mut self, name: impl Into<String>) -> Self {
        self.options.time_zone = Some(name.into());
        self
    }

    /// Lets the job run beside itself, up to 64 times, when a run takes longer than to the
    /// next tick. Without, it never does.
    pub fn overlapping(mut self) -> Self {
        self.options.plan.overlap = Overlap::Allowed;
        self
    }

    /// What becomes of ticks without a run; [`MissedTicks::Skip`] by default.
    pub fn missed_ticks(mut self, policy: MissedTicks) -> Self {
        self.options.plan.missed = policy;
        self
    }

    /// Begins each run up to so much later than its tick, at random, so that many
    /// instances do not all begin at once. None by default; shorter than the period.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.options.plan.jitter = most;
        self
    }

    /// Runs once when the application has started, and at the ticks from then on.
    pub fn at_start(mut self) -> Self {
        self.options.plan.first = FirstRun::AtStart;
        self
    }

    /// Ends a run that takes longer: it has failed then. Without, a run may take for ever.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Leaves the job switched off until [`Jobs::enable`](crate::Jobs::enable).
    pub fn disabled(mut self) -> Self {
        self.options.plan.is_enabled = false;
        self
    }

    /// Stops the application when a run fails. Without, only a
    /// [terminal](crate::HandlerError::terminal) failure does; others are logged
    /// (`event=job_failed`) and counted, and the job runs at its next tick.
    pub fn stop_on_failure(mut self) -> Self {
        self.options.on_failure = OnFailure::Stop;
        self
    }
}

/// What [`App::every`](crate::App::every) and [`App::cron`](crate::App::cron) take: an
/// async function, or one made a [`Job`] by [`job`].
///
/// What is none does not compile, and the compiler says what a job is:
///
/// ```compile_fail,E0277
/// use std::time::Duration;
/// use milena::{App, Config};
///
/// fn report() {} // not async
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.every(Duration::from_secs(60), report);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no job for an application with the state `{S}`",
    label = "not a job",
    note = "a job is an `async fn` with at most four arguments, each `State<T>` or `Tick`, that returns `()` or `Result<(), HandlerError>`; or such a function in `job(…)`"
)]
pub trait IntoJob<Form, S> {
    /// What the function takes.
    type Arguments;
    /// The function itself.
    type Function: JobFunction<Self::Arguments, S>;

    /// As a job.
    fn into_job(self) -> Job<Self::Function, Self::Arguments>;
}

/// Tells a bare function from a [`Job`] for the compiler; never made.
#[derive(Debug)]
pub struct Bare<Arguments>(PhantomData<Arguments>);

/// Tells a [`Job`] from a bare function for the compiler; never made.
#[derive(Debug)]
pub struct Made<Arguments>(PhantomData<Arguments>);

impl<F: JobFunction<Arguments, S>, Arguments, S> IntoJob<Bare<Arguments>, S> for F {
    type Arguments = Arguments;
    type Function = F;

    fn into_job(self) -> Job<F, Arguments> {
        job(self)
    }
}

impl<F: JobFunction<Arguments, S>, Arguments, S> IntoJob<Made<Arguments>, S> for Job<F, Arguments> {
    type Arguments = Arguments;
    type Function = F;

    fn into_job(self) -> Job<F, Arguments> {
        self
    }
}

/// `clean_up` for `shop::jobs::clean_up`; the surrounding function's name for a closure.
fn default_name<F>() -> String {
    let path = std::any::type_name::<F>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::")
        .find(|part| !part.starts_with("{{"))
        .unwrap_or(path)
        .to_owned()
}
