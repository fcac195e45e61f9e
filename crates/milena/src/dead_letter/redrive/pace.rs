//! When letters may be sent: so many a second, decided from times alone.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Keeps to a rate. Time in which nothing was sent is not made up for.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<NonZeroU32>,
    /// When what was sent so far has had its time.
    next_at: Instant,
}

impl Pace {
    /// `rate` is letters a second; none is no limit.
    pub(super) fn new(rate: Option<NonZeroU32>, now: Instant) -> Pace {
        Pace { rate, next_at: now }
    }

    /// When so many letters may be sent.
    pub(super) fn send_at(&mut self, now: Instant, letters: u64) -> Instant {
        let Some(rate) = self.rate else {
            return now;
        };
        let send_at = self.next_at.max(now);
        let nanos = letters.saturating_mul(NANOS_PER_SECOND) / u64::from(rate.get());
        self.next_at = send_at + Duration::from_nanos(nanos);
        send_at
    }
}

#[cfg(test)]
mod tests;
