//! What one job does now: run, wait, or nothing any more.
//!
//! A plain state machine: moments, ends of runs, triggers and switches go in, steps come
//! out. Reads no clock, sleeps nowhere, runs nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::clock::Moment;
use super::limits::{OVERLAPPING_RUNS_MAX, OWED_RUNS_MAX};
use super::tick::TickCause;
use super::timetable::{Due, Timetable};

/// What becomes of ticks whose time passed without a run: the job was still at the one
/// before, or the process slept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissedTicks {
    /// They are counted and left out; the job runs again at its next tick.
    #[default]
    Skip,
    /// One run makes up for all of them, as soon as the job is free.
    CatchUpOnce,
    /// A run for each of them (up to 1000), one after the other.
    CatchUpAll,
}

/// What is set for one job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) missed: MissedTicks,
    pub(crate) overlap: Overlap,
    pub(crate) jitter: Duration,
    pub(crate) first: FirstRun,
    pub(crate) is_enabled: bool,
}

/// Whether a job may run beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overlap {
    Never,
    Allowed,
}

/// When a job runs first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstRun {
    AtFirstTick,
    AtStart,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Begin a run; it counts as running until [`Planner::finish`].
    Run {
        scheduled_at: Timestamp,
        cause: TickCause,
    },
    /// Ask again after so long, or when something happened.
    Wait(Duration),
    /// Ask again when something happened: there is no further tick.
    Idle,
}

/// The state of one job's schedule.
#[derive(Debug)]
pub(crate) struct Planner {
    timetable: Timetable,
    plan: Plan,
    next: Option<Planned>,
    is_enabled: bool,
    running: usize,
    triggers: usize,
    owed: u32,
    owed_at: Timestamp,
    missed: u64,
}

/// The next tick, and how much later than that the run begins.
#[derive(Debug, Clone, Copy)]
struct Planned {
    tick: Due,
    delay: Duration,
}

impl Planner {
    pub(crate) fn new(timetable: Timetable, plan: Plan) -> Planner {
        Planner {
            timetable,
            plan,
            next: None,
            is_enabled: plan.is_enabled,
            running: 0,
            triggers: 0,
            owed: 0,
            owed_at: Timestamp::UNIX_EPOCH,
            missed: 0,
        }
    }

    /// The scheduler begins; `random` is a number from 0.0 to 1.0, here and below.
    pub(crate) fn begin(&mut self, now: Moment, random: f64) {
        self.plan_tick(self.timetable.first_after(now), random);
        if self.is_enabled && self.plan.first == FirstRun::AtStart {
            self.owed = 1;
            self.owed_at = now.wall;
        }
    }

    /// What to do now; to be asked until it is not a run.
    pub(crate) fn next_step(&mut self, now: Moment, random: f64) -> Step {
        self.take_due(now, random);
        if self.is_free() && self.triggers > 0 {
            self.triggers -= 1;
            self.running += 1;
            return Step::Run {
                scheduled_at: now.wall,
                cause: TickCause::Triggered,
            };
        }
        if self.is_free() && self.owed > 0 {
            self.owed -= 1;
            self.running += 1;
            return Step::Run {
                scheduled_at: self.owed_at,
                cause: TickCause::Timetable,
            };
        }
        match self.next {
            Some(planned) => Step::Wait(planned.due().wait(now)),
            None => Step::Idle,
        }
    }

    /// A run ended.
    pub(crate) fn finish(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// All runs ended, whether they came to their end or not.
    pub(crate) fn abandon(&mut self) {
        self.running = 0;
    }

    /// Has the job run as soon as it is free, whether it is enabled or not.
    pub(crate) fn trigger(&mut self) {
        self.triggers += 1;
    }

    /// The timetable counts from now on, or does not; runs under way go on.
    pub(crate) fn set_enabled(&mut self, is_enabled: bool) {
        self.is_enabled = is_enabled;
        if !is_enabled {
            self.owed = 0;
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Ticks that passed without a run, and will have none.
    pub(crate) fn missed(&self) -> u64 {
        self.missed
    }

    /// When the next run is planned, by the wall clock; of an enabled job only.
    pub(crate) fn next_at(&self, now: Moment) -> Option<Timestamp> {
        let planned = self.next.filter(|_| self.is_enabled)?;
        Some(planned.due().wall(now))
    }

    fn is_free(&self) -> bool {
        let runs_max = match self.plan.overlap {
            Overlap::Never => 1,
            Overlap::Allowed => OVERLAPPING_RUNS_MAX,
        };
        self.running < runs_max
    }

    /// Takes the ticks whose time has come off the timetable.
    fn take_due(&mut self, now: Moment, random: f64) {
        let Some(planned) = self.next.filter(|planned| planned.due().is_over(now)) else {
            return;
        };
        let passed = self.timetable.pass(planned.tick, now);
        self.plan_tick(passed.next, random);
        if !self.is_enabled {
            return;
        }
        let wanted = passed.count.saturating_add(u64::from(self.owed));
        let owed_max = match self.plan.missed {
            MissedTicks::Skip => u32::from(self.is_free() && self.triggers == 0),
            MissedTicks::CatchUpOnce => 1,
            MissedTicks::CatchUpAll => OWED_RUNS_MAX,
        };
        let owed_max = owed_max.max(self.owed);
        self.owed = u32::try_from(wanted).unwrap_or(u32::MAX).min(owed_max);
        self.owed_at = passed.latest.wall(now);
        self.missed = self
            .missed
            .saturating_add(wanted.saturating_sub(u64::from(self.owed)));
    }

    fn plan_tick(&mut self, tick: Option<Due>, random: f64) {
        let delay = self.plan.jitter.mul_f64(random.clamp(0.0, 1.0));
        self.next = tick.map(|tick| Planned { tick, delay });
    }
}

impl Planned {
    fn due(self) -> Due {
        self.tick.delayed(self.delay)
    }
}

#[cfg(test)]
mod tests;
