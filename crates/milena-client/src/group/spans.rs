//! What is told of commits, see [`crate::spans`].

use tracing::Span;
use tracing::field::Empty;

use super::offsets::OffsetToCommit;
use crate::spans::{
    self, DESTINATION, GROUP, OFFSET, OPERATION_TYPE, OTEL_NAME, PARTITION, messaging_span,
};

/// The span of a commit of `offsets`; none, if there is nothing to commit.
pub(super) fn commit(client_id: &str, group_id: &str, offsets: &[OffsetToCommit]) -> Span {
    if offsets.is_empty() {
        return Span::none();
    }
    let span = messaging_span!(
        "commit",
        "client",
        client_id,
        { OPERATION_TYPE } = "settle",
        { GROUP } = group_id,
        { OTEL_NAME } = Empty,
        { DESTINATION } = Empty,
        { PARTITION } = Empty,
        { OFFSET } = Empty,
    );
    let partitions = offsets.iter().map(|entry| (&entry.partition, entry.offset));
    spans::note_destination(&span, "commit", partitions);
    span
}
