//! The scheduler's clocks: one that never goes back for periods, the wall clock for cron.
//!
//! Owns the only calls here that read them; the state machines are handed a [`Moment`].

use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::wall_clock;

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
}

impl Clock {
    /// One that begins now.
    pub(crate) fn begin() -> Clock {
        Clock {
            began: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment {
            uptime: self.began.elapsed(),
            wall: wall_clock::now(),
        }
    }
}

/// As the public interface has it.
pub(crate) fn system_time(timestamp: Timestamp) -> SystemTime {
    SystemTime::from(timestamp)
}
