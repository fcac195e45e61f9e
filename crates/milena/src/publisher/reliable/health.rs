//! How a publisher fares, for a health endpoint.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::breaker::BreakerState;
use super::counts::DeliveryCounts;
use super::limits::LOOK_SHARE;
use super::shared::Shared;

/// How a [`ReliablePublisher`](crate::ReliablePublisher) fares at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublisherHealth {
    /// Whether a connection to a broker is open. There is none before the first message.
    pub is_connected: bool,
    /// Whether it takes no messages any more.
    pub is_closed: bool,
    /// What the circuit breaker does; closed when there is none.
    pub breaker: BreakerState,
    /// What became of the messages so far.
    pub counts: DeliveryCounts,
    /// Failed messages that wait in memory for a retry or a dead letter.
    pub waiting: usize,
    /// What is on disk; `None` without a spool.
    pub spool: Option<SpoolHealth>,
    /// How long the oldest message waits that failed or is on disk; `None` when none does.
    /// Right after a start it is that of the message which the replay is at.
    pub oldest_waiting: Option<Duration>,
}

/// How a publisher's spool fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolHealth {
    /// Whether new messages go to the spool.
    pub is_spooling: bool,
    /// Messages in it.
    pub messages: u64,
    /// Bytes of its files; what is replayed is given back file by file.
    pub bytes: u64,
    /// Bytes that could not be read when it was opened.
    pub damaged_bytes: u64,
}

impl PublisherHealth {
    /// Whether messages get through: it is open, the breaker is closed, and nothing is on
    /// disk. One that is not may still take messages, if it has a spool.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let is_spooling = self.spool.is_some_and(|spool| spool.is_spooling);
        !self.is_closed && !is_spooling && self.breaker == BreakerState::Closed
    }
}

impl Shared {
    pub(super) fn health(&self) -> PublisherHealth {
        let spooler = self.spooler.as_deref();
        PublisherHealth {
            is_connected: self.publisher.shared.client.is_connected(),
            is_closed: self.is_closed.load(Ordering::Acquire),
            breaker: self.pacing.state(),
            counts: self.counters.read(),
            waiting: self.waiting.load(Ordering::Acquire),
            spool: spooler.map(|spooler| {
                let facts = spooler.facts();
                SpoolHealth {
                    is_spooling: spooler.is_diverting(),
                    messages: facts.messages,
                    bytes: facts.bytes,
                    damaged_bytes: facts.damaged_bytes,
                }
            }),
            oldest_waiting: self.oldest_waiting(Timestamp::now()),
        }
    }

    fn oldest_waiting(&self, now: Timestamp) -> Option<Duration> {
        let spooled = self
            .spooler
            .as_deref()
            .and_then(|spooler| spooler.oldest_at());
        let oldest = self.oldest_failed().into_iter().chain(spooled).min()?;
        let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Some(Duration::from_millis(now.saturating_sub(oldest)))
    }

    /// When the first of the messages that wait failed, in milliseconds since the Unix epoch.
    fn oldest_failed(&self) -> Option<u64> {
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        if look.until.is_some_and(|until| start < until) {
            return look.oldest;
        }
        let failed_at = |context: &super::DeliveryContext| {
            let first = context.failures().next()?;
            u64::try_from(first.at.as_millisecond()).ok()
        };
        let schedule = self.schedule();
        look.oldest = schedule
            .iter()
            .filter_map(|context| failed_at(context))
            .min();
        drop(schedule);
        look.until = Some(Instant::now() + start.elapsed() * LOOK_SHARE);
        look.oldest
    }
}

/// What was found when all that waits was last looked at, which takes its lock.
#[derive(Debug, Default)]
pub(super) struct Look {
    oldest: Option<u64>,
    until: Option<Instant>,
}
