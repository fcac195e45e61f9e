//! What is told of polls, see [`crate::spans`].

use tracing::Span;
use tracing::field::Empty;

use super::fetched::FetchedBatch;
use super::shared::Shared;
use crate::spans::{
    self, DESTINATION, GROUP, MESSAGE_COUNT, OFFSET, OPERATION_TYPE, OTEL_NAME, PARTITION,
    messaging_span,
};

/// The span of a poll that begins.
pub(super) fn poll(shared: &Shared) -> Span {
    messaging_span!(
        "poll",
        "client",
        shared.client.config().client_id,
        { OPERATION_TYPE } = "receive",
        { GROUP } = shared.config.group_id.as_deref(),
        { OTEL_NAME } = Empty,
        { DESTINATION } = Empty,
        { PARTITION } = Empty,
        { MESSAGE_COUNT } = Empty,
        { OFFSET } = Empty,
    )
}

/// A poll brought these.
pub(super) fn brought(span: &Span, batches: &[FetchedBatch]) {
    if span.is_disabled() {
        return;
    }
    let records = batches.iter().map(FetchedBatch::records_count_max);
    span.record(MESSAGE_COUNT, records.sum::<usize>());
    let partitions = batches.iter();
    let partitions = partitions.map(|batch| (batch.topic_partition(), batch.first_offset()));
    spans::note_destination(span, "poll", partitions);
}
