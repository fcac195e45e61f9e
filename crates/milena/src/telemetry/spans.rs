//! Spans of handled records, with OpenTelemetry's names for messaging, as those of the client.
//!
//! Owns their names and attributes; the table is in the module above. A record without a trace
//! context has a span only where a tracing system is there to see it.

use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span};

use super::handling::Handling;
use super::propagator;
use super::trace_context::TraceContext;
use crate::handler::HandlerResult;
use crate::message::Message;

/// The target of all spans: `milena::spans=off` in `MILENA_LOG` turns them off.
pub const SPAN_TARGET: &str = "milena::spans";

pub(super) const TRACE_ID: &str = "trace_id";
const ERROR_TYPE: &str = "error.type";
const OTEL_STATUS: &str = "otel.status_code";

/// A span `process` of `$handling` that begins at the record `$first`, with further fields, and in the
/// brackets its parent, if it is not to be the current span.
macro_rules! process_span {
    ([$($parent:tt)*], $handling:ident, $first:ident, $($further:tt)*) => {
        tracing::info_span!(
            target: SPAN_TARGET,
            $($parent)*
            "process",
            "otel.name" = %format_args!("process {}", $handling.topic),
            "otel.kind" = "consumer",
            "otel.status_code" = Empty,
            "error.type" = Empty,
            "messaging.system" = "kafka",
            "messaging.operation.name" = "process",
            "messaging.operation.type" = "process",
            "messaging.client.id" = &*$handling.client_id,
            "messaging.consumer.group.name" = &*$handling.group,
            "messaging.destination.name" = &*$handling.topic,
            "messaging.destination.partition.id" = %$first.partition(),
            "messaging.kafka.offset" = $first.offset(),
            $($further)*
        )
    };
}

/// The span of an attempt at a record, if anybody wants it.
#[inline]
pub(crate) fn attempt(handling: &Handling, message: &Message) -> Option<Span> {
    // The cheapest first: nobody listens.
    if !tracing::span_enabled!(target: SPAN_TARGET, tracing::Level::INFO) {
        return None;
    }
    let of_task = TraceContext::of_task();
    if of_task.is_none() && propagator::installed().is_none() {
        return None;
    }
    Some(process(handling, message, of_task))
}

#[cold]
fn process(handling: &Handling, message: &Message, of_task: Option<TraceContext>) -> Span {
    let span = process_span!(
        [],
        handling,
        message,
        "messaging.message.id" = message.id(),
        "messaging.message.body.size" = message.value().map_or(0, <[u8]>::len),
        trace_id = Empty,
    );
    let propagator = propagator::installed();
    // One that was made here is nobody's span.
    if let (Some(propagator), Some(sent)) = (propagator, TraceContext::of(message.headers())) {
        propagator.set_parent(&span, &sent);
    }
    let known = propagator.and_then(|propagator| propagator.context_of(&span));
    if let Some(context) = known.or(of_task) {
        span.record(TRACE_ID, display(context.trace_id()));
    }
    span
}

/// Carries an attempt at a record out within its span.
pub(crate) async fn within(
    span: Span,
    attempt: impl Future<Output = HandlerResult>,
) -> HandlerResult {
    let result = attempt.instrument(span.clone()).await;
    if let Err(error) = &result {
        failed(&span, error.code());
    }
    result
}

/// The span of an attempt at a batch, with a link to each span that sent a record, if anybody
/// wants it.
pub(crate) fn batch(handling: &Handling, messages: &[Message]) -> Option<Span> {
    let propagator = propagator::installed()?;
    let first = messages.first()?;
    let count = messages.len();
    // Of many traces: it is linked to them, and is no part of any.
    let span = process_span!(
        [parent: None,],
        handling,
        first,
        "messaging.batch.message_count" = count,
    );
    if span.is_disabled() {
        return None;
    }
    for message in messages {
        if let Some(sent) = TraceContext::of(message.headers()) {
            propagator.add_link(&span, &sent);
        }
    }
    Some(span)
}

/// Notes how an attempt failed.
pub(crate) fn failed(span: &Span, code: &str) {
    span.record(ERROR_TYPE, code);
    span.record(OTEL_STATUS, "ERROR");
}

#[cfg(test)]
mod tests;
