//! Whether a message may be sent now: the circuit breaker's and the rate limit's clock and
//! locks. A publisher with neither reads no clock and takes no lock here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::breaker::{Breaker, BreakerState, Circuit};
use crate::publisher::PublishError;
use crate::rate::{Bucket, RateLimit};

pub(super) struct Pacing {
    circuit: Option<Mutex<Circuit>>,
    /// No failure since the last success: most messages need not ask the circuit.
    is_clean: AtomicBool,
    bucket: Option<Mutex<Bucket>>,
}

impl Pacing {
    pub(super) fn new(breaker: Option<Breaker>, limit: Option<RateLimit>) -> Pacing {
        let bucket = |limit| Mutex::new(Bucket::new(limit, Instant::now()));
        Pacing {
            circuit: breaker.map(|breaker| Mutex::new(Circuit::new(breaker))),
            is_clean: AtomicBool::new(true),
            bucket: limit.map(bucket),
        }
    }

    /// Whether a new message may pass without asking.
    #[inline]
    pub(super) fn is_free(&self) -> bool {
        self.is_clean.load(Ordering::Acquire) && self.bucket.is_none()
    }

    /// Lets a new message pass, in time. Refuses while the circuit is open.
    #[inline]
    pub(super) async fn pass(&self) -> Result<(), PublishError> {
        if !self.is_clean.load(Ordering::Acquire) {
            let now = Instant::now();
            self.ask(now).map_err(|until| PublishError::BreakerOpen {
                retry_after: until.saturating_duration_since(now),
            })?;
        }
        self.throttle().await;
        Ok(())
    }

    /// Waits for the rate limit, if there is one.
    #[inline]
    pub(super) async fn throttle(&self) {
        if let Some(bucket) = &self.bucket {
            let now = Instant::now();
            let from = lock(bucket).take(now);
            // A sleep that is over already still takes until the timer's next tick.
            if from > now {
                tokio::time::sleep_until(from).await;
            }
        }
    }

    /// Lets a message pass, or says when to ask again.
    pub(super) fn ask(&self, now: Instant) -> Result<(), Instant> {
        self.circuit
            .as_ref()
            .map_or(Ok(()), |circuit| lock(circuit).ask(now))
    }

    /// When a message may pass; `None` if one may now. Lets none pass.
    pub(super) fn closed_until(&self, now: Instant) -> Option<Instant> {
        lock(self.circuit.as_ref()?).closed_until(now)
    }

    #[inline]
    pub(super) fn on_success(&self) {
        if !self.is_clean.load(Ordering::Acquire) {
            self.close();
        }
    }

    /// An attempt ended in a way that says nothing about the cluster.
    pub(super) fn on_other(&self, now: Instant) {
        if let Some(circuit) = &self.circuit
            && !self.is_clean.load(Ordering::Acquire)
        {
            lock(circuit).on_other(now);
        }
    }

    /// An attempt failed in a way that says something about the cluster. Tells whether nothing
    /// may be sent now.
    pub(super) fn on_failure(&self, now: Instant) -> bool {
        let Some(circuit) = &self.circuit else {
            return false;
        };
        let mut circuit = lock(circuit);
        let before = circuit.state();
        circuit.on_failure(now);
        self.is_clean.store(false, Ordering::Release);
        if before == BreakerState::Closed && circuit.state() == BreakerState::Open {
            tracing::warn!(event = "publisher_breaker_opened");
        }
        circuit.state() == BreakerState::Open
    }

    pub(super) fn state(&self) -> BreakerState {
        self.circuit
            .as_ref()
            .map_or(BreakerState::Closed, |circuit| lock(circuit).state())
    }

    #[cold]
    fn close(&self) {
        let Some(circuit) = &self.circuit else { return };
        let mut circuit = lock(circuit);
        if circuit.state() != BreakerState::Closed {
            tracing::info!(event = "publisher_breaker_closed");
        }
        circuit.on_success();
        self.is_clean.store(true, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
