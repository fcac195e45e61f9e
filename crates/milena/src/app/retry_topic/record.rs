//! A record on its way through the retry topic: what is written, and what is read back.
//!
//! Original key, value and headers, and the diagnostics of a dead letter, so that whatever
//! reads dead letters reads these, too. The timestamp is that of writing: with the original
//! one, the topic's retention could delete the record before it is due.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::limits::RECORD_OVERHEAD_BYTES;
use crate::dead_letter::{self as names, FailurePlace, History, NewDeadLetter, is_diagnostic};
use crate::failure::HandlerError;
use crate::message::{Headers, HeadersRef, Message, OwnRecord, TimestampType};

/// What has to be told for the record to be handled again.
const NEEDED: [&str; 5] = [
    names::ORIGIN_TOPIC,
    names::ORIGIN_PARTITION,
    names::ORIGIN_OFFSET,
    names::ORIGIN_TIMESTAMP,
    names::ATTEMPTS,
];
/// What the due time takes, its name and length fields included.
const DUE_BYTES: usize = 64;

/// The record for the retry topic, due at `due`. `None` when the original leaves no room for
/// what has to be told.
pub(super) fn for_retry(
    message: &Message,
    error: &HandlerError,
    history: &History,
    origin: &FailurePlace,
    due: Timestamp,
) -> Option<NewDeadLetter> {
    let mut origin = origin.clone();
    origin.record_bytes_max = origin.record_bytes_max.saturating_sub(DUE_BYTES);
    let mut record = NewDeadLetter::new(message, error, history, &origin);
    let tells = |name: &str| record.headers.iter().any(|(told, _)| told == name);
    if !NEEDED.iter().all(|name| tells(name)) {
        return None;
    }
    if message.headers().get(names::MESSAGE_ID).is_none() {
        // A dead letter gets an id; the record is to come back as it was.
        record.headers.retain(|(name, _)| name != names::MESSAGE_ID);
    }
    let due = format!("{due:.3}");
    record
        .headers
        .push((names::RETRY_DUE.to_owned(), Some(due.into())));
    record.timestamp = Timestamp::now().as_millisecond();
    Some(record)
}

/// A record that waits in the retry topic. Holds copies: one that waits must not keep a
/// whole fetched buffer.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    record: NewDeadLetter,
    pub(super) due_ms: i64,
    /// The topic it was consumed from first, as the cluster names it.
    pub(super) topic: Arc<str>,
    place: Place,
    attempts: u32,
}

/// Where the record was consumed first, and when it was written there.
#[derive(Debug, Clone, Copy)]
struct Place {
    partition: i32,
    offset: i64,
    timestamp: i64,
    timestamp_type: TimestampType,
}

impl Waiting {
    /// Reads a record of the retry topic.
    pub(super) fn read(message: &Message) -> Result<Waiting, HandlerError> {
        let headers = message.headers();
        let due: Timestamp = number(headers, names::RETRY_DUE)?;
        let topic = headers
            .text(names::ORIGIN_TOPIC)
            .ok_or_else(|| unreadable(names::ORIGIN_TOPIC))?;
        let timestamp_type = match headers.text(names::ORIGIN_TIMESTAMP_TYPE) {
            Some("LogAppendTime") => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        };
        let copies = headers
            .iter()
            .map(|(name, value)| (name.to_owned(), value.map(Bytes::copy_from_slice)));
        Ok(Waiting {
            due_ms: due.as_millisecond(),
            topic: topic.into(),
            place: Place {
                partition: number(headers, names::ORIGIN_PARTITION)?,
                offset: number(headers, names::ORIGIN_OFFSET)?,
                timestamp: number(headers, names::ORIGIN_TIMESTAMP)?,
                timestamp_type,
            },
            attempts: number(headers, names::ATTEMPTS)?,
            record: NewDeadLetter {
                key: message.key().map(Bytes::copy_from_slice),
                value: message.value().map(Bytes::copy_from_slice),
                timestamp: message.timestamp(),
                headers: copies.collect(),
            },
        })
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let headers = self.record.headers.iter();
        let headers =
            headers.map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len));
        RECORD_OVERHEAD_BYTES
            + self.record.key.as_ref().map_or(0, Bytes::len)
            + self.record.value.as_ref().map_or(0, Bytes::len)
            + headers.sum::<usize>()
    }

    /// The record to write again, with the same due time.
    pub(super) fn again(&self) -> NewDeadLetter {
        NewDeadLetter {
            timestamp: Timestamp::now().as_millisecond(),
            ..self.record.clone()
        }
    }

    /// The message as it was consumed first, from `topic` as handlers see it, and what
    /// happened to it since.
    pub(super) fn open(self, topic: Arc<str>) -> (Message, History) {
        let (told, own): (Vec<_>, Vec<_>) = self
            .record
            .headers
            .into_iter()
            .partition(|(name, _)| is_diagnostic(name));
        let told = Headers::own(told);
        let history = History::resumed(
            self.attempts,
            told.text(names::HISTORY),
            told.text(names::FAILED_FIRST),
        );
        let message = OwnRecord {
            topic,
            partition: self.place.partition,
            offset: self.place.offset,
            timestamp: self.place.timestamp,
            timestamp_type: self.place.timestamp_type,
            key: self.record.key,
            value: self.record.value,
            headers: Headers::own(own),
        };
        let attempt = self.attempts.saturating_add(1);
        (Message::from(message).with_attempt(attempt), history)
    }
}

fn number<T: std::str::FromStr>(headers: HeadersRef<'_>, name: &str) -> Result<T, HandlerError> {
    let number = headers.text(name).and_then(|text| text.parse().ok());
    number.ok_or_else(|| unreadable(name))
}

fn unreadable(name: &str) -> HandlerError {
    HandlerError::decode(
        "retry-record",
        format_args!("the header {name} is missing or cannot be read"),
    )
}

#[cfg(test)]
mod tests;
