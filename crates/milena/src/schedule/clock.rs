//! The scheduler's clocks: one that never goes back for periods, the wall clock for cron.
//!
//! Owns the only calls here that read a clock; the state machines are handed a
//! [`Moment`].

use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// One point in time, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Since the scheduler began. Never goes back.
    pub(crate) uptime: Duration,
    /// What the wall clock says. May be set, forth and back.
    pub(crate) wall: Timestamp,
}

impl Moment {
    /// What the wall clock said, or will say, at another uptime.
    pub(crate) fn wall_at(self, uptime: Duration) -> Timestamp {
        let shift = |by: Duration| SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        if uptime >= self.uptime {
            let ahead = self
                .wall
                .saturating_add(shift(uptime.saturating_sub(self.uptime)));
            ahead.unwrap_or(Timestamp::MAX)
        } else {
            let behind = self
                .wall
                .saturating_sub(shift(self.uptime.saturating_sub(uptime)));
            behind.unwrap_or(Timestamp::MIN)
        }
    }
}

/// Tells the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began: Instant,
    /// The wall clock at the beginning, of a clock that goes by tokio's time alone.
    wall_at_begin: Option<Timestamp>,
}

impl Clock {
    /// The machine's clocks.
    pub(crate) fn system() -> Clock {
        Clock {
            began: Instant::now(),
            wall_at_begin: None,
        }
    }

    /// A wall clock that says `wall` now and goes by tokio's time, which tests can stop.
    pub(crate) fn starting_at(wall: Timestamp) -> Clock {
        Clock {
            began: Instant::now(),
            wall_at_begin: Some(wall),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        let uptime = self.began.elapsed();
        let wall = match self.wall_at_begin {
            None => Timestamp::now(),
            Some(wall) => Moment {
                uptime: Duration::ZERO,
                wall,
            }
            .wall_at(uptime),
        };
        Moment { uptime, wall }
    }
}

/// As the public interface has it.
pub(crate) fn system_time(timestamp: Timestamp) -> SystemTime {
    SystemTime::from(timestamp)
}
