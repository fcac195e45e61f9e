//! The gate before a topic's handler: shut while what the handler depends on is down.
//!
//! Owns the circuit breaker that the workers of a topic share, and waiting before it. Looks
//! at how attempts ended; what becomes of records is decided elsewhere.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::stop::StopFlag;
use crate::failure::{ErrorClass, HandlerError};
use crate::publisher::{Breaker, BreakerState, Circuit};

/// How long those who have just come let others be the probe who waited through the last one.
const PROBE_YIELD: Duration = Duration::from_millis(100);

/// Shared by the workers of a topic.
#[derive(Debug)]
pub(super) struct Gate {
    topic: Arc<str>,
    circuit: Mutex<Circuit>,
    /// Handlers may be called.
    is_open: AtomicBool,
    /// There is nothing to tell the circuit about a success.
    is_quiet: AtomicBool,
    /// The most attempts that a record was given up after since the last success.
    given_up_after: AtomicU32,
    changed: Notify,
}

/// What an attempt says about what the handler depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It is there.
    Up,
    /// It may be down.
    Down,
    /// Nothing.
    None,
}

impl Sign {
    /// A failure that trying again may help. A panic is a mistake of the handler's, and a
    /// record that is refused was perhaps refused before anything was asked.
    pub(super) fn of(error: &HandlerError) -> Sign {
        if error.class() == ErrorClass::Retriable && !error.is_panic() {
            Sign::Down
        } else {
            Sign::None
        }
    }
}

impl Gate {
    pub(super) fn new(topic: Arc<str>, breaker: Breaker) -> Gate {
        Gate {
            topic,
            circuit: Mutex::new(Circuit::new(breaker)),
            is_open: AtomicBool::new(true),
            is_quiet: AtomicBool::new(true),
            given_up_after: AtomicU32::new(0),
            changed: Notify::new(),
        }
    }

    /// Whether handlers may be called without asking.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// As the application's progress shows it.
    pub(super) fn state(&self) -> BreakerState {
        self.circuit().state()
    }

    /// How many attempts a record has while the gate is shut, when it has `attempts_max`
    /// otherwise: each that was given up makes it likelier that it was none of the records,
    /// so the next has twice as many. A record that can never be handled does not keep the
    /// gate shut for ever, and what is down for long costs few.
    pub(super) fn attempts_max(&self, attempts_max: u32) -> u32 {
        let given_up_after = self.given_up_after.load(Ordering::Acquire);
        attempts_max.max(given_up_after.saturating_mul(2))
    }

    /// A record was given up while the gate was shut.
    pub(super) fn give_up_after(&self, attempts: u32) {
        self.given_up_after.fetch_max(attempts, Ordering::AcqRel);
    }

    /// Waits until the handler may be called, as a probe perhaps; false on a stop. Who was
    /// the last probe lets the others go first.
    pub(super) async fn pass(&self, stop: &StopFlag) -> bool {
        let mut yields = PROBE_YIELD;
        while !self.is_open() {
            // Registered before the circuit is asked: a change in between is not missed.
            let changed = self.changed.notified();
            let Err(until) = self.circuit().ask(Instant::now()) else {
                tracing::info!(event = "handler_probe", topic = %self.topic);
                return true;
            };
            tokio::select! {
                biased;
                () = stop.raised() => return false,
                () = changed => yields = Duration::ZERO,
                () = tokio::time::sleep_until(until + yields) => {}
            }
        }
        true
    }

    /// Takes note of how a call ended.
    pub(super) fn note(&self, sign: Sign) {
        if sign == Sign::Up && self.is_quiet.load(Ordering::Acquire) {
            return;
        }
        let mut circuit = self.circuit();
        let before = circuit.state();
        match sign {
            Sign::Up => {
                circuit.on_success();
                self.given_up_after.store(0, Ordering::Release);
            }
            Sign::Down => circuit.on_failure(Instant::now()),
            Sign::None => circuit.on_other(Instant::now()),
        }
        let after = circuit.state();
        let is_open = after == BreakerState::Closed;
        self.is_quiet
            .store(is_open && sign == Sign::Up, Ordering::Release);
        self.is_open.store(is_open, Ordering::Release);
        drop(circuit);
        match (before, after) {
            (BreakerState::Closed, BreakerState::Open) => {
                tracing::warn!(event = "handler_paused", topic = %self.topic);
            }
            (BreakerState::Open | BreakerState::HalfOpen, BreakerState::Closed) => {
                tracing::info!(event = "handler_resumed", topic = %self.topic);
            }
            _ => {}
        }
        if before != after {
            self.changed.notify_waiters();
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
