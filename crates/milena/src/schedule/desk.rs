//! Where a job's state lies, between the task that runs it and those who look and steer.
//!
//! Owns the lock; it is held for moments, a few times a run.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::sync::{Notify, oneshot};

use super::clock::{Clock, system_time};
use super::jobs::{JobError, JobStatus};
use super::limits::WAITING_TRIGGERS_MAX;
use super::planner::{Planner, Step};
use super::tick::{Tick, TickCause};
use crate::failure::HandlerError;

/// Told how the run ended that was asked for.
pub(super) type Asker = oneshot::Sender<Result<(), JobError>>;

/// The state of one job.
pub(super) struct Desk {
    pub(super) name: Arc<str>,
    timetable: String,
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    planner: Planner,
    /// Since the scheduler began.
    clock: Option<Clock>,
    /// Whether runs can still begin.
    is_over: bool,
    askers: VecDeque<Asker>,
    begun: u64,
    finished: u64,
    failures: u64,
    last_started: Option<SystemTime>,
    last_duration: Option<Duration>,
    last_error: Option<String>,
}

/// What the task of a job is to do.
pub(super) enum Next {
    Run(Tick, Option<Asker>),
    Wait(Duration),
    Idle,
}

impl Desk {
    pub(super) fn new(name: String, timetable: String, planner: Planner) -> Desk {
        Desk {
            name: name.into(),
            timetable,
            state: Mutex::new(State {
                planner,
                clock: None,
                is_over: false,
                askers: VecDeque::new(),
                begun: 0,
                finished: 0,
                failures: 0,
                last_started: None,
                last_duration: None,
                last_error: None,
            }),
            wake: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scheduler begins.
    pub(super) fn begin(&self, clock: Clock) {
        let mut state = self.state();
        state.planner.begin(clock.now(), fastrand::f64());
        state.clock = Some(clock);
    }

    /// What to do now; a run that is returned has begun.
    pub(super) fn next(&self, clock: &Clock) -> Next {
        let mut state = self.state();
        let missed_before = state.planner.missed();
        let step = state.planner.next_step(clock.now(), fastrand::f64());
        let missed = state.planner.missed() - missed_before;
        if missed > 0 {
            tracing::warn!(event = "job_missed", job = %self.name, ticks = missed);
        }
        match step {
            Step::Run {
                scheduled_at,
                cause,
            } => {
                let asker = (cause == TickCause::Triggered)
                    .then(|| state.askers.pop_front())
                    .flatten();
                let tick = state.begin_run(self.name.clone(), scheduled_at, cause, clock);
                Next::Run(tick, asker)
            }
            Step::Wait(wait) => Next::Wait(wait),
            Step::Idle => Next::Idle,
        }
    }

    /// A run ended.
    pub(super) fn end_run(&self, result: &Result<(), HandlerError>, took: Duration) {
        let mut state = self.state();
        state.planner.finish();
        state.finished += 1;
        state.last_duration = Some(took);
        if let Err(error) = result {
            state.failures += 1;
            state.last_error = Some(error.to_string());
        }
        drop(state);
        self.wake.notify_one();
    }

    /// No run begins from here on; who waits for one is told.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_over = true;
        state.askers.clear();
    }

    /// Nothing runs any more: runs that did not end by themselves were ended.
    pub(super) fn abandon(&self) {
        self.close();
        self.state().planner.abandon();
    }

    /// Asks for a run, whose end the receiver tells.
    pub(super) fn trigger(&self) -> Result<oneshot::Receiver<Result<(), JobError>>, JobError> {
        let mut state = self.state();
        if state.is_over {
            return Err(self.stopped());
        }
        if state.askers.len() >= WAITING_TRIGGERS_MAX {
            return Err(JobError::Busy {
                job: self.name.clone(),
            });
        }
        let (asker, ended) = oneshot::channel();
        state.askers.push_back(asker);
        state.planner.trigger();
        drop(state);
        self.wake.notify_one();
        Ok(ended)
    }

    pub(super) fn set_enabled(&self, is_enabled: bool) {
        self.state().planner.set_enabled(is_enabled);
        self.wake.notify_one();
        tracing::info!(event = "job_switched", job = %self.name, is_enabled);
    }

    /// Waits until something changed since the last look.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    pub(super) fn is_over(&self) -> bool {
        self.state().is_over
    }

    pub(super) fn running(&self) -> usize {
        self.state().planner.running()
    }

    pub(super) fn status(&self) -> JobStatus {
        let state = self.state();
        let next_at = state
            .clock
            .filter(|_| !state.is_over)
            .and_then(|clock| state.planner.next_at(clock.now()));
        JobStatus {
            name: self.name.clone(),
            timetable: self.timetable.clone(),
            is_enabled: state.planner.is_enabled(),
            running: state.planner.running(),
            runs: state.finished,
            failures: state.failures,
            missed: state.planner.missed(),
            last_started: state.last_started,
            last_duration: state.last_duration,
            last_error: state.last_error.clone(),
            next_at: next_at.map(system_time),
        }
    }

    pub(super) fn stopped(&self) -> JobError {
        JobError::Stopped {
            job: self.name.clone(),
        }
    }
}

impl State {
    fn begin_run(
        &mut self,
        job: Arc<str>,
        scheduled_at: Timestamp,
        cause: TickCause,
        clock: &Clock,
    ) -> Tick {
        self.begun += 1;
        self.last_started = Some(system_time(clock.now().wall));
        Tick {
            job,
            scheduled_at: system_time(scheduled_at),
            cause,
            number: self.begun,
        }
    }
}
