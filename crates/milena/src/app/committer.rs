//! Committing what is done, counting that, and remembering what is committed.

use std::sync::Arc;

use milena_client::consumer::Consumer;
use milena_client::{Error, TopicPartition};
use tokio::time::Instant;

use super::progress::Progress;
use super::workers::Uncommitted;
use crate::telemetry::{self, Started};

/// Commits and notes the outcome.
pub(super) async fn commit(
    consumer: Arc<Consumer>,
    offsets: Vec<Uncommitted>,
    progress: &Progress,
) -> Result<(), Error> {
    if offsets.is_empty() {
        return Ok(());
    }
    let begun = Begun::now();
    let result = consumer.commit_offsets(&pairs(&offsets)).await;
    begun.note(&offsets, progress, &result);
    result
}

/// As the consumer takes them.
pub(super) fn pairs(offsets: &[Uncommitted]) -> Vec<(TopicPartition, i64)> {
    offsets
        .iter()
        .map(|offset| (offset.partition.clone(), offset.next_offset))
        .collect()
}

/// A commit under way.
pub(super) struct Begun {
    at: Instant,
    started: Option<Started>,
}

impl Begun {
    pub(super) fn now() -> Begun {
        Begun {
            at: Instant::now(),
            started: telemetry::start(),
        }
    }

    /// Counts the commit, and remembers what is committed. What is not is tried again with the
    /// next commit.
    pub(super) fn note(
        self,
        offsets: &[Uncommitted],
        progress: &Progress,
        result: &Result<(), Error>,
    ) {
        if offsets.is_empty() {
            return;
        }
        progress.add_commit(self.at.elapsed(), result.is_ok());
        if let Some(started) = self.started {
            let offsets = offsets.iter();
            let offsets = offsets.map(|offset| (&offset.partition, offset.next_offset));
            telemetry::consumer_commit(started, offsets, result);
        }
        match result {
            Ok(()) => offsets.iter().for_each(Uncommitted::set_committed),
            Err(error) => {
                tracing::warn!(event = "commit_failed", partitions = offsets.len(), %error);
            }
        }
    }
}
