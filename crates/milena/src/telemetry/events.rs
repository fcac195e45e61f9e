//! Events of single records, for the log: `event=producer_send topic=… partition=… …`.
//!
//! Owns their names and fields; the table is in the module above. While nobody wants them,
//! each costs one comparison: no clock is read and nothing is allocated.

use std::fmt::Display;

use milena_client::TopicPartition;
use milena_client::consumer::FetchedBatch;
use milena_client::producer::{ProduceError, RecordMetadata};
use tokio::time::Instant;
use tracing::field::display;

use super::trace_context::TraceId;

/// The target of these events: `milena::events=debug` in `MILENA_LOG` turns them on.
pub const EVENT_TARGET: &str = "milena::events";

/// When an operation began that an event is to tell of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started(Instant);

/// Whether anybody wants to know of operations.
#[inline]
pub(crate) fn is_told() -> bool {
    tracing::enabled!(target: EVENT_TARGET, tracing::Level::DEBUG)
}

/// Now, if anybody wants to know.
#[inline]
pub(crate) fn start() -> Option<Started> {
    is_told().then(|| Started(Instant::now()))
}

impl Started {
    /// In milliseconds, to the microsecond.
    #[expect(
        clippy::cast_precision_loss,
        reason = "285 years of microseconds fit into a double"
    )]
    fn duration_ms(self) -> f64 {
        self.0.elapsed().as_micros() as f64 / 1000.0
    }
}

/// A message was sent, or was not; `topic` is as the cluster names it.
pub(crate) fn producer_send(
    started: Started,
    topic: &str,
    message_id: &dyn Display,
    trace_id: Option<TraceId>,
    answer: &Result<RecordMetadata, ProduceError>,
) {
    let trace_id = unless_in_span(trace_id).map(display);
    match answer {
        Ok(written) => tracing::debug!(
            target: EVENT_TARGET,
            event = "producer_send",
            topic,
            partition = written.partition(),
            offset = written.offset(),
            duration_ms = started.duration_ms(),
            message_id = %message_id,
            trace_id,
        ),
        Err(error) => tracing::debug!(
            target: EVENT_TARGET,
            event = "producer_send_failed",
            topic,
            duration_ms = started.duration_ms(),
            message_id = %message_id,
            trace_id,
            %error,
        ),
    }
}

/// A message that is on its way, of which an event is to tell.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) started: Started,
    /// As the cluster names it.
    pub(crate) topic: String,
    pub(crate) message_id: String,
    pub(crate) trace_id: Option<TraceId>,
}

impl Sending {
    /// It arrived, or did not.
    pub(crate) fn tell(&self, answer: &Result<RecordMetadata, ProduceError>) {
        let id = &self.message_id;
        producer_send(self.started, &self.topic, id, self.trace_id, answer);
    }
}

/// A batch was fetched.
pub(crate) fn consumer_receive(started: Started, batch: &FetchedBatch) {
    let partition = batch.topic_partition();
    tracing::debug!(
        target: EVENT_TARGET,
        event = "consumer_receive",
        topic = %partition.topic,
        partition = partition.partition,
        offset = batch.first_offset(),
        messages_count = batch.records_count_max(),
        duration_ms = started.duration_ms(),
    );
}

/// A record was handled to its end; `outcome` says which.
pub(crate) fn consumer_handle(
    started: Started,
    (topic, partition, offset): (&str, i32, i64),
    outcome: &'static str,
    trace_id: Option<TraceId>,
) {
    tracing::debug!(
        target: EVENT_TARGET,
        event = "consumer_handle",
        topic,
        partition,
        offset,
        outcome,
        duration_ms = started.duration_ms(),
        trace_id = unless_in_span(trace_id).map(display),
    );
}

/// Offsets were committed, or were not.
pub(crate) fn consumer_commit<'a>(
    started: Started,
    offsets: impl Iterator<Item = (&'a TopicPartition, i64)>,
    answer: &Result<(), milena_client::Error>,
) {
    let duration_ms = started.duration_ms();
    let error = answer.as_ref().err();
    let event = match error {
        None => "consumer_commit",
        Some(_) => "consumer_commit_failed",
    };
    for (partition, offset) in offsets {
        tracing::debug!(
            target: EVENT_TARGET,
            event,
            topic = %partition.topic,
            partition = partition.partition,
            offset,
            duration_ms,
            error = error.map(display),
        );
    }
}

/// Lines of the log show the fields of the spans around them: not twice then.
fn unless_in_span(trace_id: Option<TraceId>) -> Option<TraceId> {
    trace_id.filter(|_| {
        let span = tracing::Span::current();
        span.field(super::spans::TRACE_ID).is_none()
    })
}
