//! A rate limit: so many messages a second, with a burst. One number of state, no clock.

use std::time::Duration;

use tokio::time::Instant;

/// How many messages a second may be published.
///
/// ```
/// use milena::RateLimit;
///
/// // 500 a second; after a quiet time up to 100 at once.
/// let limit = RateLimit::per_second(500).burst(100);
/// # let _ = limit;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a limit does nothing until a publisher has it"]
pub struct RateLimit {
    interval: Duration,
    burst: u32,
}

impl RateLimit {
    /// How many may go at once after a quiet time, where nobody says otherwise.
    pub(crate) const BURST_DEFAULT: u32 = 1;

    /// So many messages a second (0 counts as 1), one at a time.
    pub const fn per_second(messages: u32) -> RateLimit {
        let messages = if messages == 0 { 1 } else { messages };
        RateLimit {
            interval: Duration::from_nanos(1_000_000_000 / messages as u64),
            burst: RateLimit::BURST_DEFAULT,
        }
    }

    /// How many may go at once after a quiet time; 0 counts as 1.
    pub const fn burst(mut self, messages: u32) -> RateLimit {
        self.burst = if messages == 0 { 1 } else { messages };
        self
    }
}

/// The generic cell rate algorithm: remembers when the bucket will be full again.
#[derive(Debug)]
pub(crate) struct Bucket {
    limit: RateLimit,
    full_at: Instant,
}

impl Bucket {
    pub(crate) fn new(limit: RateLimit, now: Instant) -> Bucket {
        Bucket {
            limit,
            full_at: now,
        }
    }

    /// Takes a token, and says from when on it counts: now, or later when there was none.
    pub(crate) fn take(&mut self, now: Instant) -> Instant {
        self.take_together(now, 1)
    }

    /// Takes tokens for messages that go together, and says from when on they may: when the
    /// first of them might. Those after them wait for all of theirs.
    pub(crate) fn take_together(&mut self, now: Instant, messages: u32) -> Instant {
        let room = self.limit.interval * (self.limit.burst - 1);
        let start = self.full_at.max(now);
        self.full_at = start + self.limit.interval * messages;
        start.checked_sub(room).map_or(now, |from| from.max(now))
    }
}

#[cfg(test)]
mod tests;
