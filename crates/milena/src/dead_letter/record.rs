//! Builds the dead letter of a record.

use bytes::Bytes;

use super::budget::{self, Diagnostic, header_bytes};
use super::fingerprint::fingerprint;
use super::history::History;
use super::limits::{
    DIAGNOSTICS_BYTES_MAX, MESSAGE_BYTES_MAX, RECORD_OVERHEAD_BYTES, TRACE_BYTES_MAX, cut,
};
use super::names;
use crate::failure::{HandlerError, class_name};
use crate::message::{Message, TimestampType};
use crate::telemetry;

/// What is known about where a failure happened, the same for all records of a topic.
#[derive(Debug, Clone)]
pub(crate) struct FailurePlace {
    /// The source topic, as the cluster names it.
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) handler: String,
    pub(crate) app: String,
    pub(crate) host: String,
    /// Takes secrets out of messages and traces.
    pub(crate) redact: Option<fn(&str) -> String>,
    /// How large a dead letter may be; diagnostics give way first.
    pub(crate) record_bytes_max: usize,
}

/// A record for the dead letter topic.
#[derive(Debug, Clone)]
pub(crate) struct NewDeadLetter {
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) timestamp: i64,
    pub(crate) headers: Vec<(String, Option<Bytes>)>,
}

impl NewDeadLetter {
    /// The dead letter of `message`, whose last attempt failed with `error`.
    pub(crate) fn new(
        message: &Message,
        error: &HandlerError,
        history: &History,
        origin: &FailurePlace,
    ) -> NewDeadLetter {
        let mut headers: Vec<(String, Option<Bytes>)> = message
            .headers()
            .iter()
            .filter(|(name, _)| !names::is_diagnostic(name))
            .map(|(name, value)| (name.to_owned(), value.map(Bytes::copy_from_slice)))
            .chain(telemetry::made_header(message))
            .collect();
        let original_bytes = RECORD_OVERHEAD_BYTES
            + message.key().map_or(0, <[u8]>::len)
            + message.value().map_or(0, <[u8]>::len)
            + headers
                .iter()
                .map(|(name, value)| header_bytes(name, value.as_ref().map_or(0, Bytes::len)))
                .sum::<usize>();
        let room = origin.record_bytes_max.saturating_sub(original_bytes);
        let diagnostics = diagnostics(message, error, history, origin, room);
        headers.extend(
            diagnostics
                .into_iter()
                .map(|(name, text)| (name.to_owned(), Some(text.into()))),
        );
        NewDeadLetter {
            key: message.key_bytes(),
            value: message.value_bytes(),
            timestamp: message.timestamp(),
            headers,
        }
    }
}

fn diagnostics(
    message: &Message,
    error: &HandlerError,
    history: &History,
    origin: &FailurePlace,
    room: usize,
) -> Vec<Diagnostic> {
    let redact = |text: &str| {
        origin
            .redact
            .map_or_else(|| text.to_owned(), |redact| redact(text))
    };
    let failure_message = redact(error.message());
    let stage = error.stage().name();
    let mut diagnostics = place(message, origin);
    diagnostics.extend([
        (names::FAILURE_STAGE, stage.to_owned()),
        (names::FAILURE_CLASS, class_name(error.class()).to_owned()),
        (names::FAILURE_CODE, error.code().to_owned()),
        (names::ATTEMPTS, history.attempts().to_string()),
        (
            names::FAILURE_MESSAGE,
            cut(&failure_message, MESSAGE_BYTES_MAX).to_owned(),
        ),
        (
            names::FAILURE_FINGERPRINT,
            fingerprint(&origin.handler, stage, error.code(), &failure_message),
        ),
        (names::ORIGIN_TIMESTAMP, message.timestamp().to_string()),
        (
            names::ORIGIN_TIMESTAMP_TYPE,
            timestamp_type_name(message.timestamp_type()).to_owned(),
        ),
        (names::HANDLER, origin.handler.clone()),
        (names::APP, origin.app.clone()),
        (names::HOST, origin.host.clone()),
    ]);
    if message.headers().get(names::MESSAGE_ID).is_none() {
        // Made from where it is, so that a second dead letter of the same record is
        // recognised as such.
        let id = format!(
            "{}/{}/{}",
            origin.topic,
            message.partition(),
            message.offset()
        );
        diagnostics.insert(0, (names::MESSAGE_ID, id));
    }
    let earlier_first = message
        .headers()
        .text(names::FAILED_FIRST)
        .map(str::to_owned);
    for (name, time) in [
        (
            names::FAILED_FIRST,
            earlier_first.or_else(|| history.first()),
        ),
        (names::FAILED_LAST, history.last()),
    ] {
        diagnostics.extend(time.map(|time| (name, time)));
    }
    let trace = redact(error.trace());
    if !trace.is_empty() {
        diagnostics.push((
            names::FAILURE_TRACE,
            cut(&trace, TRACE_BYTES_MAX).to_owned(),
        ));
    }
    let entries = history.entries(message.headers().text(names::HISTORY), redact);
    budget::set_history(&mut diagnostics, &entries);
    budget::trim(&mut diagnostics, entries, room.min(DIAGNOSTICS_BYTES_MAX));
    diagnostics
}

/// Where the record was consumed; one that was never written has no more than a topic.
fn place(message: &Message, origin: &FailurePlace) -> Vec<Diagnostic> {
    let mut place = vec![(names::ORIGIN_TOPIC, origin.topic.clone())];
    if message.offset() >= 0 {
        place.extend([
            (names::ORIGIN_PARTITION, message.partition().to_string()),
            (names::ORIGIN_OFFSET, message.offset().to_string()),
            (names::ORIGIN_GROUP, origin.group.clone()),
        ]);
    }
    place
}

fn timestamp_type_name(timestamp_type: TimestampType) -> &'static str {
    match timestamp_type {
        TimestampType::LogAppendTime => "LogAppendTime",
        _ => "CreateTime",
    }
}

#[cfg(test)]
mod tests;
