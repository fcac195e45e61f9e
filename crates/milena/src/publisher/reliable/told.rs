//! A publisher's numbers as metrics: told when somebody asks, not when a message passes.

use super::breaker::BreakerState;
use super::counts::DeliveryCounts;
use super::shared::Shared;
use crate::metrics::{Level, Source, Sum, publisher as names};

/// What the recorder of metrics was told.
#[derive(Debug)]
pub(super) struct Told {
    accepted: Sum,
    delivered: Sum,
    dead_lettered: Sum,
    failed: Sum,
    retries: Sum,
    pending: Level,
    waiting: Level,
    spool_messages: Level,
    spool_bytes: Level,
    spool_damaged_bytes: Level,
    breaker_open: Level,
    oldest_waiting: Level,
}

impl Told {
    pub(super) fn new() -> Told {
        let outcome = |outcome| Sum::new(names::MESSAGES).label("outcome", outcome);
        Told {
            accepted: Sum::new(names::ACCEPTED),
            delivered: outcome("delivered"),
            dead_lettered: outcome("dead_lettered"),
            failed: outcome("failed"),
            retries: Sum::new(names::RETRIES),
            pending: Level::new(names::PENDING),
            waiting: Level::new(names::WAITING),
            spool_messages: Level::new(names::SPOOL_MESSAGES),
            spool_bytes: Level::new(names::SPOOL_BYTES),
            spool_damaged_bytes: Level::new(names::SPOOL_DAMAGED_BYTES),
            breaker_open: Level::new(names::BREAKER_OPEN),
            oldest_waiting: Level::new(names::OLDEST_WAITING),
        }
    }
}

impl Source for Shared {
    fn collect(&self) {
        let (told, health) = (&self.told, self.health());
        let DeliveryCounts {
            accepted,
            delivered,
            dead_lettered,
            failed,
            retries,
            ..
        } = health.counts;
        told.accepted.tell(accepted);
        told.delivered.tell(delivered);
        told.dead_lettered.tell(dead_lettered);
        told.failed.tell(failed);
        told.retries.tell(retries);
        told.pending.tell(health.counts.pending() as f64);
        told.waiting.tell(health.waiting as f64);
        let is_open = health.breaker != BreakerState::Closed;
        told.breaker_open.tell(f64::from(u8::from(is_open)));
        let oldest = health.oldest_waiting.unwrap_or_default();
        told.oldest_waiting.tell(oldest.as_secs_f64());
        if let Some(spool) = health.spool {
            told.spool_messages.tell(spool.messages as f64);
            told.spool_bytes.tell(spool.bytes as f64);
            told.spool_damaged_bytes.tell(spool.damaged_bytes as f64);
        }
    }
}
