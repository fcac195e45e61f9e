//! Committing what is done, and remembering that it is.

use std::sync::Arc;

use milena_client::consumer::Consumer;
use milena_client::{Error, TopicPartition};

use super::workers::Uncommitted;
use crate::telemetry::{self, Started};

/// Commits and notes the outcome.
pub(super) async fn commit(
    consumer: Arc<Consumer>,
    offsets: Vec<Uncommitted>,
) -> Result<(), Error> {
    if offsets.is_empty() {
        return Ok(());
    }
    let started = telemetry::start();
    let result = consumer.commit_offsets(&pairs(&offsets)).await;
    note(&offsets, started, &result);
    result
}

/// As the consumer takes them.
pub(super) fn pairs(offsets: &[Uncommitted]) -> Vec<(TopicPartition, i64)> {
    offsets
        .iter()
        .map(|offset| (offset.partition.clone(), offset.next_offset))
        .collect()
}

/// Remembers what is committed. What is not is tried again with the next commit.
pub(super) fn note(offsets: &[Uncommitted], started: Option<Started>, result: &Result<(), Error>) {
    if let Some(started) = started {
        let offsets = offsets.iter();
        let offsets = offsets.map(|offset| (&offset.partition, offset.next_offset));
        telemetry::consumer_commit(started, offsets, result);
    }
    match result {
        Ok(()) => offsets.iter().for_each(Uncommitted::set_committed),
        Err(error) => tracing::warn!(event = "commit_failed", partitions = offsets.len(), %error),
    }
}
