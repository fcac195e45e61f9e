//! Logs and traces: logfmt lines on standard error, filtered by `MILENA_LOG`; trace contexts
//! that travel with messages; spans for a tracing system.
//!
//! Owns how events reach the terminal, what is told of single records, and the W3C headers.
//! Libraries below only emit events, and hand headers on as they are.
//!
//! # Trace contexts
//!
//! The setting `trace.context` decides what becomes of the headers `traceparent` and
//! `tracestate`:
//!
//! | Value | What |
//! |---|---|
//! | `continue` (default) | What a handler publishes carries the context of the message it handles, be it an application's or a [`Consumer`](crate::Consumer)'s; so do retries and dead letters. A message published elsewhere carries the context of the current span, where a tracing system knows one. |
//! | `generate` | As `continue`; where there is none, one is made: a publisher puts it into the message's headers, an application handles the record under it. |
//! | `off` | Headers are left alone. |
//!
//! A message that is given a `traceparent` keeps it. Without a tracing system a context is handed on
//! as it came: whoever records spans further on finds the span it was sent from. With one (the
//! feature `opentelemetry` and a layer of `tracing-opentelemetry`, or a [`Propagator`] of your own)
//! each attempt at a record has a span, the child of the span that sent the record.
//!
//! # Events of single records
//!
//! Level `DEBUG`, target `milena::events`: `MILENA_LOG=info,milena::events=debug` shows them. All
//! have `topic` (as the cluster names it), `partition`, `offset` and `duration_ms`, a number with
//! three decimals, save for what the table says.
//!
//! | `event` | When | `duration_ms` | Further fields |
//! |---|---|---|---|
//! | `producer_send` | the topic has a message, acknowledged; what a handler publishes within a transaction, when that is committed | since it was given to the publisher | `message_id`, `trace_id` |
//! | `producer_send_failed` | it has not, or nobody knows; no `partition`, no `offset` | as above | `message_id`, `trace_id`, `error` |
//! | `consumer_receive` | an application fetched a batch; `offset` is its first | of the poll | `messages_count`, at most: a batch counts whole |
//! | `consumer_handle` | a record is done, or given back | since its first attempt began, retries and dead letter included; by a [`Consumer`](crate::Consumer), each attempt | `outcome`: `handled`, `dead_lettered`, `skipped`, `moved` (to the retry topic) or `given_back`; `trace_id` |
//! | `consumer_commit` | an offset is committed: the next to be handled | of the commit | |
//! | `consumer_commit_failed` | it is not, yet | of the commit | `error` |
//!
//! `trace_id` is there where the message has a trace; a line within a span of ours has it from the
//! span. Lines of the log show the fields of the spans around them, save for those whose names
//! begin with `messaging.` or `otel.`. What goes wrong with a record is told without being asked for, at `WARN`: `handler_retry`,
//! `dead_letter`, `dead_letter_failed`, `publish_dead_letter`; these carry `trace_id` as well.
//!
//! # Spans
//!
//! Level `INFO`, target [`SPAN_TARGET`], beside those of the client
//! ([`milena_client::spans`]), with the same names.
//!
//! | Span | From, to | `messaging.operation.type` | `otel.kind` |
//! |---|---|---|---|
//! | `process` | an attempt at a record, by an application or a [`Consumer`](crate::Consumer)'s handler, its result; at a batch of records, with a link to the span that sent each | `process` | consumer |
//!
//! Its attributes: `messaging.system`, `messaging.operation.name`, `messaging.client.id`,
//! `messaging.consumer.group.name`, `messaging.destination.name`,
//! `messaging.destination.partition.id`, `messaging.kafka.offset`, `messaging.message.id`,
//! `messaging.message.body.size`, `error.type` (the code of the
//! [`HandlerError`](crate::HandlerError)), and `trace_id` for the log; of a batch,
//! `messaging.batch.message_count` in place of the last two of a record. A record without a trace
//! context, and a batch, has no span unless there is a tracing system.

mod events;
mod handling;
mod log_fields;
mod mode;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
mod propagator;
mod spans;
mod trace_context;

pub use self::events::EVENT_TARGET;
pub(crate) use self::events::{
    Sending, Started, consumer_commit, consumer_receive, is_told, producer_send, start,
};
pub(crate) use self::handling::{Followed, Handling, made_header, trace_id};
pub(crate) use self::mode::{TRACE_MODES_ALLOWED, TraceMode};
pub use self::propagator::{Propagator, set_propagator};
pub use self::spans::SPAN_TARGET;
pub(crate) use self::spans::{attempt, batch, failed, within};
pub(crate) use self::trace_context::TRACEPARENT_BYTES;
pub use self::trace_context::{
    TRACEPARENT_HEADER, TRACESTATE_HEADER, TraceContext, TraceContextError, TraceId,
};

use log_fields::LogFields;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The variable that says what is logged: `info`, `milena=debug,warn`, …
pub const FILTER_VARIABLE: &str = "MILENA_LOG";

/// Why logging or tracing could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// `MILENA_LOG` cannot be read.
    #[error(
        "MILENA_LOG: {value:?} is not allowed; it must be a level (error, warn, info, debug, trace) or target=level pairs separated by commas"
    )]
    Filter {
        /// The value as it was given.
        value: String,
    },
    /// Somebody set up logging before.
    #[error("logging is set up already")]
    AlreadyInitialised,
    /// Somebody set a propagator before.
    #[error("a propagator is set already; a process has one")]
    PropagatorInstalled,
}

/// Sends events to standard error as logfmt lines
/// (`event=app_started group=billing topics=orders`). Without `MILENA_LOG`, `default`
/// says what is logged.
///
/// # Errors
/// When `MILENA_LOG` cannot be read, or logging is set up already.
pub fn init(default: &str) -> Result<(), TelemetryError> {
    let given = std::env::var(FILTER_VARIABLE).ok();
    let directives = given
        .filter(|given| !given.is_empty())
        .unwrap_or_else(|| default.to_owned());
    let filter = parse_filter(&directives).ok_or(TelemetryError::Filter { value: directives })?;
    tracing_subscriber::registry()
        .with(filter)
        .with(lines().with_writer(std::io::stderr))
        .try_init()
        .map_err(|_| TelemetryError::AlreadyInitialised)
}

/// Events as logfmt lines.
fn lines<S>() -> tracing_subscriber::fmt::Layer<S, LogFields, tracing_logfmt::EventsFormatter>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_logfmt::builder()
        .with_span_path(false)
        .layer()
        .fmt_fields(LogFields)
}

/// Levels and target=level pairs. Stricter than [`Targets`] itself, which takes a misspelt level
/// for a target and then logs nothing.
fn parse_filter(directives: &str) -> Option<Targets> {
    let mut filter = Targets::new();
    for directive in directives.split(',').map(str::trim) {
        filter = match directive.split_once('=') {
            None => filter.with_default(parse_level(directive)?),
            Some(("", _)) => return None,
            Some((target, level)) => filter.with_target(target, parse_level(level)?),
        };
    }
    Some(filter)
}

fn parse_level(level: &str) -> Option<LevelFilter> {
    let is_name = !level.is_empty() && level.chars().all(|c| c.is_ascii_alphabetic());
    level.parse().ok().filter(|_| is_name)
}

#[cfg(test)]
mod tests;
