//! When to try again: exponential backoff with a cap, jitter and an end.
//!
//! Pure arithmetic: takes how many attempts failed and a random number, gives a
//! delay. Sleeps nowhere and reads no clock.

use std::time::Duration;

/// How often a record is tried and how long to wait in between.
///
/// ```
/// use std::time::Duration;
/// use milena::Retry;
///
/// let retry = Retry::exponential(Duration::from_secs(1))
///     .cap(Duration::from_secs(30))
///     .attempts(5);
/// assert_eq!(retry.attempts_max(), 5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use = "a retry policy does nothing until a handler has it"]
pub struct Retry {
    base: Duration,
    cap: Duration,
    growth: Growth,
    attempts_max: u32,
    jitter: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    Doubling,
    None,
}

impl Retry {
    /// The first delay, where nobody says otherwise.
    pub(crate) const DELAY_DEFAULT: Duration = Duration::from_secs(1);
    /// The longest delay of those that grow, before jitter.
    pub(crate) const DELAY_MAX_DEFAULT: Duration = Duration::from_secs(30);
    /// How often a record is tried in all.
    pub(crate) const ATTEMPTS_DEFAULT: u32 = 5;
    /// The part of a delay that is random.
    const JITTER_DEFAULT: f64 = 0.2;

    /// `base`, then twice that, four times, …; at most 30 s, 5 attempts, ±20 %.
    pub const fn exponential(base: Duration) -> Retry {
        Retry {
            base,
            cap: Retry::DELAY_MAX_DEFAULT,
            growth: Growth::Doubling,
            attempts_max: Retry::ATTEMPTS_DEFAULT,
            jitter: Retry::JITTER_DEFAULT,
        }
    }

    /// The same delay every time; 5 attempts, ±20 %.
    pub const fn fixed(delay: Duration) -> Retry {
        Retry {
            base: delay,
            cap: delay,
            growth: Growth::None,
            attempts_max: Retry::ATTEMPTS_DEFAULT,
            jitter: Retry::JITTER_DEFAULT,
        }
    }

    /// One attempt, no more.
    pub const fn none() -> Retry {
        Retry::fixed(Duration::ZERO).attempts(1)
    }

    /// The longest delay, before jitter.
    pub const fn cap(mut self, cap: Duration) -> Retry {
        self.cap = cap;
        self
    }

    /// How often a record is tried in all, the first time included; 0 counts as 1.
    pub const fn attempts(mut self, attempts: u32) -> Retry {
        self.attempts_max = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// The part of a delay that is random, from 0.0 (none) to 1.0 (from nothing to
    /// twice the delay), so that many who failed together do not return together.
    pub const fn jitter(mut self, jitter: f64) -> Retry {
        self.jitter = jitter.clamp(0.0, 1.0);
        self
    }

    /// How often a record is tried in all.
    #[must_use]
    pub const fn attempts_max(&self) -> u32 {
        self.attempts_max
    }

    /// How long to wait after `failed` failed attempts (1 = the first), or `None` when
    /// the attempts are used up. `random` is a number from 0.0 to 1.0.
    #[must_use]
    pub fn delay_after(&self, failed: u32, random: f64) -> Option<Duration> {
        if failed >= self.attempts_max {
            return None;
        }
        let delay = match self.growth {
            Growth::None => self.base,
            Growth::Doubling => {
                let doublings = failed.saturating_sub(1);
                let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
                self.base.checked_mul(factor).unwrap_or(Duration::MAX)
            }
        };
        let factor = 1.0 + self.jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0);
        let jittered = Duration::try_from_secs_f64(delay.min(self.cap).as_secs_f64() * factor);
        Some(jittered.unwrap_or(Duration::MAX))
    }
}

impl Default for Retry {
    /// 1 s, 2 s, 4 s, 8 s, each ±20 %: five attempts in about 15 s.
    fn default() -> Retry {
        Retry::exponential(Retry::DELAY_DEFAULT)
    }
}

#[cfg(test)]
mod tests;
