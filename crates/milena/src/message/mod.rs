//! A record on its way through the application: what extractors read from.
//!
//! Owns the message and its headers. Knows no handler, no consumer and no commit.

mod headers;
mod id_source;

use std::sync::Arc;

use bytes::Bytes;
use milena_client::consumer::ConsumedRecord;
pub use milena_client::consumer::TimestampType;

pub use self::headers::Headers;
pub use self::id_source::IdSource;
use crate::extract::Outbox;

/// The header that carries a message's id.
pub const MESSAGE_ID_HEADER: &str = "milena-message-id";

/// One record as handlers and their layers see it. Cloning copies no bytes.
#[derive(Debug, Clone)]
pub struct Message {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Headers,
    pub(crate) attempt: u32,
    /// Where records count exactly once.
    pub(crate) outbox: Option<Outbox>,
}

impl Message {
    /// A message made by hand, to call handlers in unit tests: partition 0, offset 0, no
    /// key, no value, first attempt.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>) -> Message {
        Message {
            topic: topic.into(),
            partition: 0,
            offset: 0,
            timestamp: 0,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: None,
            headers: Headers::default(),
            attempt: 1,
            outbox: None,
        }
    }

    /// What was consumed, as a message of `topic`. Copies no bytes.
    #[inline]
    pub(crate) fn fetched(record: ConsumedRecord, topic: Arc<str>) -> Message {
        Message {
            topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type: record.timestamp_type,
            headers: Headers::fetched(&record),
            key: record.key,
            value: record.value,
            attempt: 1,
            outbox: None,
        }
    }

    /// Sets the key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Bytes>) -> Message {
        self.key = Some(key.into());
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn with_value(mut self, value: impl Into<Bytes>) -> Message {
        self.value = Some(value.into());
        self
    }

    /// Sets the headers.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Message {
        self.headers = headers;
        self
    }

    /// Sets the offset.
    #[must_use]
    pub fn with_offset(mut self, offset: i64) -> Message {
        self.offset = offset;
        self
    }

    /// Sets which attempt this is, from 1.
    #[must_use]
    pub fn with_attempt(mut self, attempt: u32) -> Message {
        self.attempt = attempt;
        self
    }

    /// Sets what the handler's [`Outbox`] argument is.
    #[must_use]
    pub fn with_outbox(mut self, outbox: Outbox) -> Message {
        self.outbox = Some(outbox);
        self
    }

    /// The topic, without the configured prefix.
    #[must_use]
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The partition within the topic.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The offset within the partition.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// Where the timestamp is from.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        self.timestamp_type
    }

    /// The key; `None` when it is null.
    #[must_use]
    pub fn key(&self) -> Option<&Bytes> {
        self.key.as_ref()
    }

    /// The value; `None` when it is null, a tombstone in a compacted topic.
    #[must_use]
    pub fn value(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }

    /// The headers, in order.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Which attempt at handling this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The message id its publisher gave it, if it is text.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.headers.text(MESSAGE_ID_HEADER)
    }
}

#[cfg(test)]
mod tests;
