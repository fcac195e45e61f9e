//! When the next refresh is due. A plain state machine: no network, no clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// Requests for refreshes, many of which become one, and the pauses between refreshes.
#[derive(Debug)]
pub(super) struct Schedule {
    age_max: Duration,
    pause_max: Duration,
    backoff: Backoff,
    is_requested: bool,
    not_before: Option<Instant>,
    refreshed_at: Option<Instant>,
}

/// How a refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Something is different now.
    Changed,
    /// All is as before: asking again soon is unlikely to help.
    Unchanged,
    /// No answer.
    Failed,
    /// No answer, and none to be expected: asked for again when somebody wants to know, or after as
    /// long as metadata is good for.
    Refused,
}

impl Schedule {
    /// Nothing is due until it is requested for the first time.
    pub(super) fn new(age_max: Duration, pause: Duration, pause_max: Duration) -> Self {
        Self {
            age_max,
            pause_max,
            backoff: Backoff::new(pause, pause_max),
            is_requested: false,
            not_before: None,
            refreshed_at: None,
        }
    }

    /// Asks for a refresh as soon as the pause since the last one allows.
    pub(super) fn request(&mut self, now: Instant) {
        let rested = self
            .not_before
            .is_none_or(|not_before| now > not_before + self.pause_max);
        if rested && !self.is_requested {
            self.backoff.reset();
        }
        self.is_requested = true;
    }

    /// When the next refresh should start, if ever.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.is_requested {
            return Some(
                self.not_before
                    .map_or(now, |not_before| not_before.max(now)),
            );
        }
        self.refreshed_at
            .map(|refreshed_at| refreshed_at + self.age_max)
    }

    /// A refresh starts; requests from now on are for the next one.
    pub(super) fn started(&mut self) {
        self.is_requested = false;
    }

    /// A refresh ended. A failed one is repeated.
    pub(super) fn finished(&mut self, outcome: Outcome, now: Instant) {
        if outcome == Outcome::Changed {
            self.backoff.reset();
        }
        let not_before = now + self.backoff.next_delay();
        self.not_before = Some(not_before);
        match outcome {
            Outcome::Changed | Outcome::Unchanged => self.refreshed_at = Some(now),
            // What is known is no younger for it, but is not to be asked for again at once.
            Outcome::Refused => self.refreshed_at = self.refreshed_at.map(|_| not_before),
            Outcome::Failed => self.is_requested = true,
        }
    }
}

#[cfg(test)]
mod tests;
