//! Delivery reports: what becomes of each message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use milena::client::producer::RecordMetadata;
use milena::{DeliveryContext, DeliveryObserver, PublishError};

/// Counts, and tells of what went wrong.
#[derive(Default)]
pub(crate) struct Reports {
    succeeded: AtomicU64,
    dead_lettered: AtomicU64,
}

impl Reports {
    /// Whether so many messages succeeded, and others became dead letters.
    pub(crate) fn check(&self, expected: u64) -> Result<()> {
        let succeeded = self.succeeded.load(Ordering::Relaxed);
        let dead_lettered = self.dead_lettered.load(Ordering::Relaxed);
        ensure!(succeeded == expected, "{succeeded} succeeded");
        ensure!(dead_lettered > 0, "no dead letter");
        Ok(())
    }
}

impl DeliveryObserver for Reports {
    fn on_success(&self, _context: &DeliveryContext, _written: &RecordMetadata) {
        self.succeeded.fetch_add(1, Ordering::Relaxed);
    }

    fn on_failure(&self, context: &DeliveryContext, error: &PublishError) {
        println!(
            "{}: attempt {} failed: {error}",
            context.message_id(),
            context.attempt_count()
        );
    }

    fn on_retry_scheduled(&self, context: &DeliveryContext, delay: Duration, attempt: u32) {
        println!(
            "{}: attempt {attempt} follows in {delay:?}",
            context.message_id()
        );
    }

    fn on_dead_letter(&self, context: &DeliveryContext, topic: &str) {
        println!("{} is in {topic}", context.message_id());
        self.dead_lettered.fetch_add(1, Ordering::Relaxed);
    }
}
