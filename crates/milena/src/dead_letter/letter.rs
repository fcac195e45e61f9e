//! A dead letter read back, whoever wrote it.
//!
//! Owns the view on a record of a dead letter topic. What each tool's headers mean is
//! `dialect`'s; nothing here fails: what cannot be read is left out, and said.

use std::sync::Arc;

use bytes::Bytes;

use super::dialect::{self, Dialect};
use super::fingerprint::fingerprint;
use super::history::Attempt;
use super::names;
use crate::message::{Headers, Message};

/// A record of a dead letter topic and what its headers tell about the failure.
///
/// The headers of Milena, Spring Kafka, Kafka Connect, Kafka Streams, share groups, SmallRye,
/// Wolverine and Watermill are understood, see [`Dialect`]. Whatever a record lacks, or says in
/// a way that cannot be read, is `None`; the record itself is always whole.
///
/// ```
/// use milena::Message;
/// use milena::dead_letter::{DeadLetter, Dialect};
///
/// let headers = [
///     ("kafka_dlt-original-topic", &b"orders"[..]),
///     ("kafka_dlt-original-offset", &42_i64.to_be_bytes()[..]),
///     ("kafka_dlt-exception-fqcn", &b"java.lang.IllegalStateException"[..]),
/// ];
/// let headers = headers.map(|(name, value)| (name, value.to_vec()));
/// let letter = DeadLetter::read(&Message::new("orders.DLT").with_headers(headers.into_iter().collect()));
/// assert_eq!(letter.dialect, Dialect::Spring);
/// assert_eq!(letter.origin.offset, Some(42));
/// assert_eq!(letter.failure.code.as_deref(), Some("java.lang.IllegalStateException"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The dead letter topic.
    pub topic: Arc<str>,
    /// The partition of the dead letter topic.
    pub partition: i32,
    /// The offset in that partition.
    pub offset: i64,
    /// The record's timestamp, in milliseconds since the Unix epoch. Milena and Kafka Connect
    /// keep that of the original record.
    pub timestamp: i64,
    /// The key; of the original record.
    pub key: Option<Bytes>,
    /// The value; of the original record.
    pub value: Option<Bytes>,
    /// All headers, as they are.
    pub headers: Headers,
    /// Who wrote it.
    pub dialect: Dialect,
    /// Where the record was consumed.
    pub origin: Origin,
    /// What went wrong.
    pub failure: Failure,
    /// How often the record was tried.
    pub attempts: Option<u32>,
    /// When the record failed first, in milliseconds since the Unix epoch.
    pub failed_first: Option<i64>,
    /// When the record failed last, in milliseconds since the Unix epoch.
    pub failed_last: Option<i64>,
    /// The attempts, oldest first; the first and the latest where there were many.
    pub history: Vec<Attempt>,
    /// The message's id.
    pub message_id: Option<String>,
    /// What failed: a handler, a connector and its task.
    pub handler: Option<String>,
    /// The application that failed.
    pub app: Option<String>,
    /// The host it ran on.
    pub host: Option<String>,
    /// What is known about earlier redrives.
    pub redrive: RedriveMark,
    /// The same for failures that look the same: 16 hexadecimal digits.
    pub fingerprint: String,
    /// Whether key and value are those of the original record. Share groups leave them out
    /// unless told otherwise: then only [`DeadLetter::origin`] leads to the record.
    pub has_payload: bool,
    /// Headers that could not be read, and why; one sentence each.
    pub problems: Vec<String>,
}

/// Where a record was consumed, as far as its dead letter tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The topic, as the cluster names it.
    pub topic: Option<String>,
    /// The partition.
    pub partition: Option<i32>,
    /// The offset.
    pub offset: Option<i64>,
    /// The original record's timestamp, in milliseconds since the Unix epoch.
    pub timestamp: Option<i64>,
    /// `CreateTime` or `LogAppendTime`.
    pub timestamp_type: Option<String>,
    /// The consumer group.
    pub group: Option<String>,
}

/// What went wrong with a record, in the words of who wrote the dead letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// How far the record came: `decode`, `validate`, `handle` or `publish`, or what the other
    /// tool calls it (`VALUE_CONVERTER`, `TASK_PUT`, …).
    pub stage: Option<String>,
    /// The failure's name for machines; an exception's class.
    pub code: Option<String>,
    /// `retriable`, `non-retriable` or `terminal`; only Milena tells.
    pub class: Option<String>,
    /// What went wrong, for people.
    pub message: Option<String>,
    /// The causes, or a stack trace.
    pub trace: Option<String>,
}

/// What a dead letter's headers tell about its redrives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedriveMark {
    /// How often the record was redriven.
    pub count: u32,
    /// The latest redrive's id.
    pub id: Option<String>,
    /// Who redrove it.
    pub by: Option<String>,
}

impl DeadLetter {
    /// Reads a record of a dead letter topic: in a handler of that topic, say.
    #[must_use]
    pub fn read(message: &Message) -> DeadLetter {
        let (dialect, parsed, problems) = dialect::read(message.headers());
        let is_copied =
            dialect != Dialect::ShareGroup || message.key().is_some() || message.value().is_some();
        let fingerprint = parsed.fingerprint.unwrap_or_else(|| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let who = parsed.handler.as_ref().or(parsed.origin.group.as_ref());
            fingerprint(
                who.map_or("", String::as_str),
                &text(&parsed.failure.stage),
                &text(&parsed.failure.code),
                &text(&parsed.failure.message),
            )
        });
        DeadLetter {
            topic: message.topic().clone(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp(),
            key: message.key_bytes(),
            value: message.value_bytes(),
            headers: message.to_headers(),
            dialect,
            origin: parsed.origin,
            failure: parsed.failure,
            attempts: parsed.attempts,
            failed_first: parsed.failed_first,
            failed_last: parsed.failed_last,
            history: parsed.history,
            message_id: message.headers().text(names::MESSAGE_ID).map(str::to_owned),
            handler: parsed.handler,
            app: parsed.app,
            host: parsed.host,
            redrive: parsed.redrive,
            fingerprint,
            has_payload: is_copied,
            problems,
        }
    }

    /// When the record failed last, as far as is known: else the dead letter's own timestamp.
    #[must_use]
    pub fn failed_at(&self) -> i64 {
        self.failed_last.unwrap_or(self.timestamp)
    }

    /// The headers that belong to the record itself: without those that tell about the failure.
    pub fn original_headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = self.headers.iter();
        headers.filter(|(name, _)| !self.dialect.is_diagnostic(name))
    }
}

#[cfg(test)]
mod tests;
