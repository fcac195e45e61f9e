//! How much of something was used a second, over the last few windows of time: Kafka's sampled rate.
//!
//! A plain state machine: the time is given to it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How usage is sampled: `quota.window.num` windows of `quota.window.size.seconds`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    pub(super) count: u32,
    pub(super) length: Duration,
}

/// What was used of late.
#[derive(Debug, Default)]
pub(super) struct Rate {
    samples: VecDeque<Sample>,
}

#[derive(Debug)]
struct Sample {
    started: Instant,
    used: f64,
}

impl Rate {
    /// Counts usage.
    pub(super) fn record(&mut self, used: f64, windows: Windows, now: Instant) {
        self.forget_old(windows, now);
        match self.samples.back_mut() {
            Some(current) if now < current.started + windows.length => current.used += used,
            _ => self.samples.push_back(Sample { started: now, used }),
        }
    }

    /// For how long nothing more may be used, until the rate is no higher than `allowed` a second.
    pub(super) fn pause(&mut self, allowed: f64, windows: Windows, now: Instant) -> Duration {
        self.forget_old(windows, now);
        let Some(oldest) = self.samples.front() else {
            return Duration::ZERO;
        };
        // Windows that have not passed yet count as passed without use, so that a client may begin
        // with a burst.
        let windows_min = windows.length * windows.count.saturating_sub(1).max(1);
        let over = now
            .saturating_duration_since(oldest.started)
            .max(windows_min);
        let used: f64 = self.samples.iter().map(|sample| sample.used).sum();
        let excess = used / allowed - over.as_secs_f64();
        Duration::try_from_secs_f64(excess.max(0.0)).unwrap_or(PAUSE_MAX)
    }

    /// Whether nothing was used of late.
    pub(super) fn is_idle(&mut self, windows: Windows, now: Instant) -> bool {
        self.forget_old(windows, now);
        self.samples.is_empty()
    }

    fn forget_old(&mut self, windows: Windows, now: Instant) {
        let kept = windows.length * windows.count;
        while let Some(oldest) = self.samples.front()
            && now.saturating_duration_since(oldest.started) >= kept
        {
            self.samples.pop_front();
        }
    }
}

/// No client is kept waiting longer, whatever it did.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
