//! A record on its way through the application: what extractors read from.
//!
//! Owns the message and its headers. Knows no handler, no consumer and no commit.

mod headers;
mod id_source;

use std::sync::Arc;

use bytes::Bytes;
use milena_client::consumer::ConsumedRecord;
pub use milena_client::consumer::TimestampType;

pub use self::headers::{Headers, HeadersRef};
pub use self::id_source::IdSource;
use crate::extract::Outbox;

/// The header that carries a message's id.
pub const MESSAGE_ID_HEADER: &str = "milena-message-id";

/// One record as handlers and their layers see it. Cloning copies no bytes.
#[derive(Debug, Clone)]
pub struct Message {
    body: Body,
    attempt: u32,
    /// Where records count exactly once.
    outbox: Option<Outbox>,
}

/// Small: messages are moved and cloned for each call of a handler.
#[derive(Debug, Clone)]
enum Body {
    Fetched(ConsumedRecord),
    Own(Arc<OwnRecord>),
}

/// A record that was not fetched as it is.
#[derive(Debug, Clone)]
pub(crate) struct OwnRecord {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Headers,
}

impl OwnRecord {
    /// Partition 0, offset 0, no key, no value.
    pub(crate) fn new(topic: Arc<str>) -> OwnRecord {
        OwnRecord {
            topic,
            partition: 0,
            offset: 0,
            timestamp: 0,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: None,
            headers: Headers::default(),
        }
    }
}

impl From<&ConsumedRecord> for OwnRecord {
    fn from(record: &ConsumedRecord) -> OwnRecord {
        OwnRecord {
            topic: record.topic().clone(),
            partition: record.partition(),
            offset: record.offset(),
            timestamp: record.timestamp(),
            timestamp_type: record.timestamp_type(),
            key: record.key_bytes(),
            value: record.value_bytes(),
            headers: Headers::fetched(record.fetched_headers()),
        }
    }
}

impl From<OwnRecord> for Message {
    fn from(record: OwnRecord) -> Message {
        Message::of(Body::Own(Arc::new(record)))
    }
}

/// What was consumed. Copies no bytes.
impl From<ConsumedRecord> for Message {
    #[inline]
    fn from(record: ConsumedRecord) -> Message {
        Message::of(Body::Fetched(record))
    }
}

impl Message {
    /// A message made by hand, to call handlers in unit tests: partition 0, offset 0, no
    /// key, no value, first attempt.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>) -> Message {
        OwnRecord::new(topic.into()).into()
    }

    #[inline]
    fn of(body: Body) -> Message {
        Message {
            body,
            attempt: 1,
            outbox: None,
        }
    }

    /// Sets the topic.
    #[must_use]
    pub fn with_topic(self, topic: impl Into<Arc<str>>) -> Message {
        self.changed(|own| own.topic = topic.into())
    }

    /// Sets the partition.
    #[must_use]
    pub fn with_partition(self, partition: i32) -> Message {
        self.changed(|own| own.partition = partition)
    }

    /// Sets the offset.
    #[must_use]
    pub fn with_offset(self, offset: i64) -> Message {
        self.changed(|own| own.offset = offset)
    }

    /// Sets the timestamp: milliseconds since the Unix epoch, and where they are from.
    #[must_use]
    pub fn with_timestamp(self, timestamp: i64, timestamp_type: TimestampType) -> Message {
        self.changed(|own| (own.timestamp, own.timestamp_type) = (timestamp, timestamp_type))
    }

    /// Sets the key.
    #[must_use]
    pub fn with_key(self, key: impl Into<Bytes>) -> Message {
        self.changed(|own| own.key = Some(key.into()))
    }

    /// Sets the value.
    #[must_use]
    pub fn with_value(self, value: impl Into<Bytes>) -> Message {
        self.changed(|own| own.value = Some(value.into()))
    }

    /// Sets the headers.
    #[must_use]
    pub fn with_headers(self, headers: Headers) -> Message {
        self.changed(|own| own.headers = headers)
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

    /// The same with a record of its own that is changed.
    fn changed(self, change: impl FnOnce(&mut OwnRecord)) -> Message {
        let mut own = match self.body {
            Body::Fetched(record) => Arc::new(OwnRecord::from(&record)),
            Body::Own(own) => own,
        };
        change(Arc::make_mut(&mut own));
        Message {
            body: Body::Own(own),
            ..self
        }
    }

    /// The topic, without the configured prefix.
    #[must_use]
    pub fn topic(&self) -> &Arc<str> {
        match &self.body {
            Body::Fetched(record) => record.topic(),
            Body::Own(own) => &own.topic,
        }
    }

    /// The partition within the topic.
    #[must_use]
    pub fn partition(&self) -> i32 {
        match &self.body {
            Body::Fetched(record) => record.partition(),
            Body::Own(own) => own.partition,
        }
    }

    /// The offset within the partition.
    #[inline]
    #[must_use]
    pub fn offset(&self) -> i64 {
        match &self.body {
            Body::Fetched(record) => record.offset(),
            Body::Own(own) => own.offset,
        }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(&self) -> i64 {
        match &self.body {
            Body::Fetched(record) => record.timestamp(),
            Body::Own(own) => own.timestamp,
        }
    }

    /// Where the timestamp is from.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        match &self.body {
            Body::Fetched(record) => record.timestamp_type(),
            Body::Own(own) => own.timestamp_type,
        }
    }

    /// The key; `None` when it is null.
    #[inline]
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Fetched(record) => record.key(),
            Body::Own(own) => own.key.as_deref(),
        }
    }

    /// The value; `None` when it is null, a tombstone in a compacted topic.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Fetched(record) => record.value(),
            Body::Own(own) => own.value.as_deref(),
        }
    }

    /// The key to keep; copies no bytes.
    #[must_use]
    pub fn key_bytes(&self) -> Option<Bytes> {
        match &self.body {
            Body::Fetched(record) => record.key_bytes(),
            Body::Own(own) => own.key.clone(),
        }
    }

    /// The value to keep; copies no bytes.
    #[must_use]
    pub fn value_bytes(&self) -> Option<Bytes> {
        match &self.body {
            Body::Fetched(record) => record.value_bytes(),
            Body::Own(own) => own.value.clone(),
        }
    }

    /// The headers, in order.
    #[inline]
    #[must_use]
    pub fn headers(&self) -> HeadersRef<'_> {
        match &self.body {
            Body::Fetched(record) => HeadersRef::fetched(record.headers()),
            Body::Own(own) => own.headers.view(),
        }
    }

    /// The headers to keep; copies no bytes.
    #[must_use]
    pub fn to_headers(&self) -> Headers {
        match &self.body {
            Body::Fetched(record) => Headers::fetched(record.fetched_headers()),
            Body::Own(own) => own.headers.clone(),
        }
    }

    /// Which attempt at handling this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The next attempt begins.
    pub(crate) fn begin_again(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
    }

    /// What the handler publishes goes here.
    pub(crate) fn outbox(&self) -> Option<&Outbox> {
        self.outbox.as_ref()
    }

    /// The message id its publisher gave it, if it is text.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.headers().text(MESSAGE_ID_HEADER)
    }
}

#[cfg(test)]
mod tests;
