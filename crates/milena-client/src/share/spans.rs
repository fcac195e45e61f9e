//! What is told of polls and acknowledgements, see [`crate::spans`].

use tracing::Span;
use tracing::field::Empty;

use super::{Link, ShareRecord};
use crate::spans::{
    self, DESTINATION, GROUP, MESSAGE_COUNT, OFFSET, OPERATION_TYPE, OTEL_NAME, PARTITION,
    messaging_span,
};

/// The span of a poll that begins.
pub(super) fn poll(link: &Link) -> Span {
    messaging_span!(
        "poll",
        "client",
        link.client.config().client_id,
        { OPERATION_TYPE } = "receive",
        { GROUP } = link.config.group_id.as_ref(),
        { OTEL_NAME } = Empty,
        { DESTINATION } = Empty,
        { PARTITION } = Empty,
        { MESSAGE_COUNT } = Empty,
        { OFFSET } = Empty,
    )
}

/// A poll brought these.
pub(super) fn brought(span: &Span, records: &[ShareRecord]) {
    if span.is_disabled() {
        return;
    }
    span.record(MESSAGE_COUNT, records.len());
    let partitions: Vec<_> = records
        .iter()
        .map(|record| (record.record.topic_partition(), record.record.offset()))
        .collect();
    let partitions = partitions.iter().map(|(name, offset)| (*name, *offset));
    spans::note_destination(span, "poll", partitions);
}

/// Acknowledgements are told.
pub(super) fn commit(link: &Link) -> Span {
    messaging_span!(
        "commit",
        "client",
        link.client.config().client_id,
        { OPERATION_TYPE } = "settle",
        { GROUP } = link.config.group_id.as_ref(),
    )
}
