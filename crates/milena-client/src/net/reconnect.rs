//! When a broker may be dialled again. A plain state machine: no socket, no clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// The recent past of the connections to one broker.
#[derive(Debug)]
pub(super) struct Reconnect {
    backoff: Backoff,
    /// A connection that lasted this long was a good one.
    stable_after: Duration,
    connected_at: Option<Instant>,
    not_before: Option<Instant>,
}

impl Reconnect {
    /// Nothing has been tried; the first attempt may start at once.
    pub(super) fn new(backoff: Duration, backoff_max: Duration) -> Self {
        Self {
            backoff: Backoff::new(backoff, backoff_max),
            stable_after: backoff_max,
            connected_at: None,
            not_before: None,
        }
    }

    /// A connection is up.
    pub(super) fn connected(&mut self, now: Instant) {
        self.connected_at = Some(now);
        self.not_before = None;
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.not_before = Some(now + self.backoff.next_delay());
    }

    /// The connection that was up ended at `closed_at`. One that did not last counts as a failure, so
    /// that a broker that accepts and drops connections is not hammered.
    pub(super) fn lost(&mut self, closed_at: Instant) {
        let Some(connected_at) = self.connected_at.take() else {
            return;
        };
        if closed_at.saturating_duration_since(connected_at) >= self.stable_after {
            self.backoff.reset();
        }
        self.failed(closed_at);
    }

    /// The earliest time of the next attempt; `None` means at once.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }
}

#[cfg(test)]
mod tests;
