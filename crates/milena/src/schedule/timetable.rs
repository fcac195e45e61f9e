//! When the ticks of a job are: every so often, or by a cron expression.
//!
//! Pure arithmetic over both clocks; reads neither.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::clock::Moment;
use super::cron::CronTable;
use super::limits::{OWED_RUNS_MAX, WALL_CLOCK_TRUST};

/// When a job's ticks are.
#[derive(Debug, Clone)]
pub(crate) enum Timetable {
    /// At multiples of a period since the scheduler began.
    Every(Duration),
    /// When the wall clock says so.
    Cron(Box<CronTable>),
}

/// A tick, on the clock its timetable goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Uptime(Duration),
    Wall(Timestamp),
}

/// Ticks whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    /// How many; of cron's, no more than are of use.
    pub(crate) count: u64,
    pub(crate) latest: Due,
    /// The first that is still to come.
    pub(crate) next: Option<Due>,
}

impl Timetable {
    /// The first tick after `now`.
    pub(crate) fn first_after(&self, now: Moment) -> Option<Due> {
        match self {
            Timetable::Every(period) => Some(Due::Uptime(now.uptime.saturating_add(*period))),
            Timetable::Cron(table) => table.next_after(now.wall).map(Due::Wall),
        }
    }

    /// The ticks from `first`, whose time has come, up to `now`.
    pub(crate) fn pass(&self, first: Due, now: Moment) -> Passed {
        match (self, first) {
            (Timetable::Every(period), Due::Uptime(first)) => {
                let period_ns = nanoseconds(*period).max(1);
                let more = nanoseconds(now.uptime.saturating_sub(first)) / period_ns;
                let skipped = Duration::from_nanos(more.saturating_mul(period_ns));
                let latest = first.saturating_add(skipped);
                Passed {
                    count: more.saturating_add(1),
                    latest: Due::Uptime(latest),
                    next: Some(Due::Uptime(latest.saturating_add(*period))),
                }
            }
            (Timetable::Cron(table), Due::Wall(first)) => pass_cron(table, first, now.wall),
            // A tick is always of the timetable's own kind; were it not, it would be over.
            (_, other) => Passed {
                count: 1,
                latest: other,
                next: self.first_after(now),
            },
        }
    }
}

fn pass_cron(table: &CronTable, first: Timestamp, now: Timestamp) -> Passed {
    let mut latest = first;
    let mut count = 1;
    while count <= u64::from(OWED_RUNS_MAX) {
        match table.next_after(latest) {
            Some(next) if next <= now => latest = next,
            next => {
                return Passed {
                    count,
                    latest: Due::Wall(latest),
                    next: next.map(Due::Wall),
                };
            }
        }
        count += 1;
    }
    Passed {
        count,
        latest: Due::Wall(table.latest_until(now).unwrap_or(latest)),
        next: table.next_after(now).map(Due::Wall),
    }
}

impl Due {
    /// Later by `delay`.
    pub(crate) fn delayed(self, delay: Duration) -> Due {
        match self {
            Due::Uptime(at) => Due::Uptime(at.saturating_add(delay)),
            Due::Wall(at) => {
                let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
                Due::Wall(at.saturating_add(delay).unwrap_or(Timestamp::MAX))
            }
        }
    }

    /// Whether the time has come.
    pub(crate) fn is_over(self, now: Moment) -> bool {
        match self {
            Due::Uptime(at) => at <= now.uptime,
            Due::Wall(at) => at <= now.wall,
        }
    }

    /// How long to sleep before looking again; of the wall clock, not for long at once.
    pub(crate) fn wait(self, now: Moment) -> Duration {
        match self {
            Due::Uptime(at) => at.saturating_sub(now.uptime),
            Due::Wall(at) => {
                let wait = Duration::try_from(at.duration_since(now.wall));
                wait.unwrap_or(Duration::ZERO).min(WALL_CLOCK_TRUST)
            }
        }
    }

    /// On the wall clock.
    pub(crate) fn wall(self, now: Moment) -> Timestamp {
        match self {
            Due::Uptime(at) => now.wall_at(at),
            Due::Wall(at) => at,
        }
    }
}

impl fmt::Display for Timetable {
    /// `every 30s`, or the cron expression with its time zone.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Timetable::Every(period) => write!(formatter, "every {period:?}"),
            Timetable::Cron(table) => table.fmt(formatter),
        }
    }
}

/// 584 years fit.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
