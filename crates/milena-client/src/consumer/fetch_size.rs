//! How much to ask for in one fetch: as little as the way to the broker allows. A response of some
//! megabytes is still in the processor's cache when its records are read, a larger one is not; but on
//! a long way each response costs a round trip, so it must be worth it.
//!
//! A plain rule: owns no clock and no connection.

use std::time::Duration;

/// Asked for at first, and never less.
const BYTES_MIN: usize = 2 * 1024 * 1024;
/// A response that takes longer is worth more bytes.
const DURATION_LONG: Duration = Duration::from_millis(10);

/// The size of the responses of one broker.
#[derive(Debug)]
pub(super) struct FetchSize {
    bytes: usize,
    bytes_max: usize,
}

/// How a fetch went.
#[derive(Debug, Clone, Copy)]
pub(super) struct FetchReport {
    pub(super) bytes_asked: usize,
    pub(super) bytes_received: usize,
    /// From the request to its answer.
    pub(super) took: Duration,
    /// Nothing was left to hand out when the answer came.
    pub(super) is_awaited: bool,
}

impl FetchSize {
    /// Responses of up to `bytes_max`.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: BYTES_MIN.min(bytes_max),
            bytes_max,
        }
    }

    /// What to ask for when there is room for `room`.
    pub(super) fn ask(&self, room: usize) -> usize {
        self.bytes.min(room)
    }

    /// Doubles the size when the consumer waits for long and full responses, halves it when they
    /// come at once.
    pub(super) fn on_answer(&mut self, report: FetchReport) {
        let is_full = report.bytes_received >= report.bytes_asked / 2;
        if report.took >= DURATION_LONG && report.is_awaited && is_full {
            self.bytes = self.bytes.saturating_mul(2).min(self.bytes_max);
        } else if report.took < DURATION_LONG / 2 {
            self.bytes = (self.bytes / 2).max(BYTES_MIN.min(self.bytes_max));
        }
    }
}

#[cfg(test)]
mod tests;
