//! What is told of transactions, see [`crate::spans`].

use tracing::Span;
use tracing::field::Empty;

use super::group::ConsumerGroupMetadata;
use crate::spans::{
    self, DESTINATION, GROUP, OFFSET, OPERATION_TYPE, OTEL_NAME, PARTITION, TRANSACTIONAL_ID,
    messaging_span,
};
use crate::topology::TopicPartition;

/// A producer takes its id over.
pub(super) fn init(client_id: &str, transactional_id: &str) -> Span {
    let id = transactional_id;
    messaging_span!(
        "init_transactions",
        "client",
        client_id,
        { TRANSACTIONAL_ID } = id
    )
}

/// Offsets are added.
pub(super) fn send_offsets(
    client_id: &str,
    transactional_id: &str,
    group: &ConsumerGroupMetadata,
    offsets: &[(TopicPartition, i64)],
) -> Span {
    let span = messaging_span!(
        "send_offsets_to_transaction",
        "client",
        client_id,
        { OPERATION_TYPE } = "settle",
        { TRANSACTIONAL_ID } = transactional_id,
        { GROUP } = group.group_id(),
        { OTEL_NAME } = Empty,
        { DESTINATION } = Empty,
        { PARTITION } = Empty,
        { OFFSET } = Empty,
    );
    let partitions = offsets
        .iter()
        .map(|(partition, offset)| (partition, *offset));
    spans::note_destination(&span, "send_offsets_to_transaction", partitions);
    span
}

/// A transaction is committed.
pub(super) fn commit(client_id: &str, transactional_id: &str) -> Span {
    let id = transactional_id;
    messaging_span!(
        "commit_transaction",
        "client",
        client_id,
        { TRANSACTIONAL_ID } = id
    )
}

/// A transaction is aborted.
pub(super) fn abort(client_id: &str, transactional_id: &str) -> Span {
    let id = transactional_id;
    messaging_span!(
        "abort_transaction",
        "client",
        client_id,
        { TRANSACTIONAL_ID } = id
    )
}
