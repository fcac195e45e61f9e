//! What is told of batches on their way, see [`crate::spans`].

use std::sync::Arc;

use tracing::Span;
use tracing::field::Empty;

use super::partition::Partition;
use super::response::PartitionAnswer;
use crate::ErrorCode;
use crate::net::Connection;
use crate::spans::{
    self, DESTINATION, MESSAGE_COUNT, OFFSET, OPERATION_TYPE, OTEL_NAME, PARTITION, SERVER_ADDRESS,
    SERVER_PORT, TRANSACTIONAL_ID, messaging_span,
};

/// The spans of a request's batches, in the order of the batches; none at all when nobody wants
/// them. Dropping them ends them.
#[derive(Debug, Default)]
pub(super) struct BatchSpans(Vec<Span>);

impl BatchSpans {
    /// The spans of batches that leave, by partition and serial number. They are not looked at
    /// unless somebody wants spans.
    pub(super) fn open(
        client_id: &str,
        connection: &Connection,
        transactional_id: Option<&str>,
        batches: &[(Arc<Partition>, u64)],
    ) -> Self {
        if !spans::are_wanted() {
            return Self::default();
        }
        let open = |(partition, serial): &(Arc<Partition>, u64)| {
            let size = partition.window().size_of(*serial);
            let span = messaging_span!(
                parent: None,
                "send",
                "producer",
                client_id,
                { OPERATION_TYPE } = "send",
                { OTEL_NAME } = format!("send {}", partition.topic),
                { DESTINATION } = partition.topic.as_ref(),
                { PARTITION } = display(partition.index),
                { MESSAGE_COUNT } = size.map_or(0, |size| size.records),
                { SERVER_ADDRESS } = Empty,
                { SERVER_PORT } = Empty,
                { OFFSET } = Empty,
                { TRANSACTIONAL_ID } = transactional_id,
            );
            spans::note_server(&span, connection.address());
            span
        };
        Self(batches.iter().map(open).collect())
    }

    /// Says what the answer says of the batch at `index`. `unanswered` is why there is none.
    pub(super) fn answered(
        &self,
        index: usize,
        answer: Option<&PartitionAnswer>,
        unanswered: &'static str,
    ) {
        let Some(span) = self.0.get(index) else {
            return;
        };
        match answer.map(|answer| (answer.code(), answer.base_offset())) {
            Some((ErrorCode::None | ErrorCode::DuplicateSequenceNumber, offset)) => {
                span.record(OFFSET, offset);
            }
            Some((code, _)) => spans::failed(span, code.name()),
            None => spans::failed(span, unanswered),
        }
    }
}
