//! What a caller hands to the producer, and what comes back once the broker has it.

pub use milena_wire::batch::Header;

/// One record on its way to a topic. Borrows everything: the producer copies key, value and
/// headers once, straight into the wire form of a batch.
///
/// ```
/// use milena_client::producer::{Header, Record};
///
/// let headers = [Header { key: "content-type", value: Some(b"application/json") }];
/// let record = Record::to("orders").key(b"order-7").value(br#"{"id":7}"#).headers(&headers);
/// assert_eq!(record.topic, "orders");
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use = "a record does nothing until a producer sends it"]
pub struct Record<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Partition, or `None` to let the partitioner choose.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch, or `None` for the producer's clock.
    pub timestamp: Option<i64>,
    /// Key bytes; `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// Value bytes; `None` is a null value, a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Headers in order; a key may repeat.
    pub headers: &'a [Header<'a>],
}

impl<'a> Record<'a> {
    /// A record for `topic` with a null key and a null value.
    #[inline]
    pub fn to(topic: &'a str) -> Self {
        Record {
            topic,
            partition: None,
            timestamp: None,
            key: None,
            value: None,
            headers: &[],
        }
    }

    /// Sets the key.
    #[inline]
    pub fn key(mut self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.key = Some(key.as_ref());
        self
    }

    /// Sets the value.
    #[inline]
    pub fn value(mut self, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.value = Some(value.as_ref());
        self
    }

    /// Sets the headers.
    #[inline]
    pub fn headers(mut self, headers: &'a [Header<'a>]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the timestamp, in milliseconds since the epoch.
    #[inline]
    pub fn timestamp(mut self, milliseconds: i64) -> Self {
        self.timestamp = Some(milliseconds);
        self
    }

    /// Sets the partition, which then overrides the partitioner.
    #[inline]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }
}

/// Where an acknowledged record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMetadata {
    partition: i32,
    /// Below zero when it is not known, as on the wire.
    offset: i64,
    /// Below zero when the producer's time counts.
    log_append_time: i64,
}

impl RecordMetadata {
    pub(super) fn new(partition: i32, offset: i64, log_append_time: i64) -> Self {
        RecordMetadata {
            partition,
            offset,
            log_append_time,
        }
    }

    /// Partition of the topic.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Offset in the partition; `None` with `acks=0`, and when the broker recognised a retry of a
    /// batch whose offset it no longer remembers.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        (self.offset >= 0).then_some(self.offset)
    }

    /// The broker's time in milliseconds, for topics with `message.timestamp.type=LogAppendTime`.
    #[must_use]
    pub fn log_append_time(&self) -> Option<i64> {
        (self.log_append_time >= 0).then_some(self.log_append_time)
    }
}
