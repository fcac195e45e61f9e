//! A circuit breaker: after enough failures in a row nothing is sent for a while, then one
//! message probes whether the cluster is back. A state machine without clock or lock.

use std::time::Duration;

use tokio::time::Instant;

/// When publishing pauses because nothing gets through.
///
/// ```
/// use std::time::Duration;
/// use milena::Breaker;
///
/// // Ten failed attempts in a row, then nothing for 5 s, then one message as a probe.
/// let breaker = Breaker::after(10).pause(Duration::from_secs(5));
/// # let _ = breaker;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a breaker does nothing until a publisher has it"]
pub struct Breaker {
    failures_max: u32,
    pause: Duration,
}

impl Breaker {
    /// How long nothing is sent before the next probe, where nobody says otherwise.
    pub(crate) const PAUSE_DEFAULT: Duration = Duration::from_secs(10);

    /// Opens after so many failed attempts in a row (0 counts as 1), for 10 s.
    pub const fn after(failures: u32) -> Breaker {
        Breaker {
            failures_max: if failures == 0 { 1 } else { failures },
            pause: Breaker::PAUSE_DEFAULT,
        }
    }

    /// How long nothing is sent before the next probe.
    pub const fn pause(mut self, pause: Duration) -> Breaker {
        self.pause = pause;
        self
    }
}

/// Whether messages may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// They may.
    Closed,
    /// They may not.
    Open,
    /// One was sent to see whether they may again.
    HalfOpen,
}

#[derive(Debug)]
pub(crate) struct Circuit {
    breaker: Breaker,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// A probe that nobody answers for does not block for ever: the next may follow then.
    HalfOpen {
        next_probe: Instant,
    },
}

impl Circuit {
    pub(crate) fn new(breaker: Breaker) -> Circuit {
        Circuit {
            breaker,
            state: State::Closed { failures: 0 },
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Lets a message pass, or says when to ask again. What passes while the circuit is not
    /// closed is the probe.
    pub(crate) fn ask(&mut self, now: Instant) -> Result<(), Instant> {
        match self.state {
            State::Closed { .. } => Ok(()),
            State::Open { until } | State::HalfOpen { next_probe: until } if now < until => {
                Err(until)
            }
            State::Open { .. } | State::HalfOpen { .. } => {
                let next_probe = now + self.breaker.pause;
                self.state = State::HalfOpen { next_probe };
                Ok(())
            }
        }
    }

    /// When a message may pass; `None` if one may now. Lets none pass.
    pub(crate) fn closed_until(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Open { until } | State::HalfOpen { next_probe: until } if now < until => {
                Some(until)
            }
            _ => None,
        }
    }

    /// A message arrived: the cluster is there.
    pub(crate) fn on_success(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// An attempt ended in a way that says nothing about the cluster: if it was the probe, the
    /// next may follow at once.
    pub(crate) fn on_other(&mut self, now: Instant) {
        if let State::HalfOpen { .. } = self.state {
            self.state = State::Open { until: now };
        }
    }

    /// An attempt failed in a way that says something about the cluster.
    pub(crate) fn on_failure(&mut self, now: Instant) {
        let until = now + self.breaker.pause;
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < self.breaker.failures_max => {
                State::Closed {
                    failures: failures + 1,
                }
            }
            State::Closed { .. } | State::HalfOpen { .. } => State::Open { until },
            // Those sent before it opened fail one after the other, and prolong nothing.
            open @ State::Open { .. } => open,
        };
    }
}

#[cfg(test)]
mod tests;
