//! How long to wait before trying again: exponential, capped, with jitter. Plain values in, durations
//! out; whoever waits brings the timer.

use std::time::Duration;

/// Each delay is drawn from ±20 % around the exponential value, so that clients that failed together
/// do not come back together (KIP-580).
const JITTER: f64 = 0.2;

/// The delays before successive attempts: `base`, 2 × `base`, 4 × `base`, … up to `cap`, each ±20 %.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts with no failure behind it.
    pub(crate) fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap: cap.max(base),
            failures: 0,
        }
    }

    /// Counts one more failure and says how long to wait before the next attempt.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let delay = self.delay_with(fastrand::f64());
        self.failures = self.failures.saturating_add(1);
        delay
    }

    /// Forgets the failures: the next delay is `base` again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The delay for a random number in 0..1.
    fn delay_with(&self, random: f64) -> Duration {
        let factor = 2f64.powi(self.failures.min(30) as i32);
        let exponential = self.base.mul_f64(factor).min(self.cap);
        exponential.mul_f64(1.0 - JITTER + 2.0 * JITTER * random)
    }
}

#[cfg(test)]
mod tests;
