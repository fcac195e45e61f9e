//! One run of a job as the job sees it, and what its arguments may be.

use std::sync::Arc;
use std::time::SystemTime;

use crate::extract::{FromRef, State};

/// Why and for when a job runs. An argument of jobs that ask for it.
///
/// ```
/// use milena::Tick;
///
/// async fn report(tick: Tick) {
///     println!("run {} of {}", tick.number, tick.job);
/// }
/// # let _: milena::Job<_, (Tick,)> = milena::job(report);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// The job's name.
    pub job: Arc<str>,
    /// When the timetable had this run, before jitter and delays; when it was triggered,
    /// of a triggered one. Of a run that makes up for several ticks, the latest of them.
    pub scheduled_at: SystemTime,
    /// What made the job run.
    pub cause: TickCause,
    /// How often the job has run in this process, this run included.
    pub number: u64,
}

/// What made a job run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TickCause {
    /// Its time had come.
    Timetable,
    /// Somebody asked: [`Jobs::trigger`](crate::Jobs::trigger).
    Triggered,
}

impl TickCause {
    pub(super) fn name(self) -> &'static str {
        match self {
            TickCause::Timetable => "timetable",
            TickCause::Triggered => "triggered",
        }
    }
}

/// What may be an argument of a job: [`State<T>`] and [`Tick`].
///
/// A job has no message to read from; this does not compile:
///
/// ```compile_fail,E0277
/// use std::time::Duration;
/// use milena::{App, Config, Meta};
///
/// async fn report(_: Meta) {}
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.every(Duration::from_secs(60), report);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a job",
    label = "not for jobs",
    note = "arguments of a job are `State<T>` (with `T` from the application's state) and `Tick`; there is no message to read from"
)]
pub trait FromTick<S> {
    /// Takes the argument.
    fn from_tick(tick: &Tick, state: &S) -> Self;
}

impl<S> FromTick<S> for Tick {
    fn from_tick(tick: &Tick, _state: &S) -> Tick {
        tick.clone()
    }
}

impl<S, T: FromRef<S>> FromTick<S> for State<T> {
    fn from_tick(_tick: &Tick, state: &S) -> State<T> {
        State(T::from_ref(state))
    }
}
