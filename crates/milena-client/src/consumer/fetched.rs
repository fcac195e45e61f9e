//! What a consumer hands out: batches, and records of their own.
//!
//! Owns the opening of a batch (checksum, decompression) and the views on its
//! records; must not know queues or positions. Nothing here allocates, locks
//! or copies per record.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use milena_wire::batch::{Batch, BatchError, RawBatch, RecordCursor};
pub use milena_wire::batch::{HeaderView, HeadersView, RecordView, TimestampType};
use milena_wire::limits::DECOMPRESSED_BYTES_MAX;

use super::partitions::TakenBatch;
use crate::error::Error;
use crate::topology::TopicPartition;

/// Records of one partition in the order of their offsets, as one batch of a
/// producer.
///
/// The records are views into the buffer the broker's response was read into,
/// or that the batch was decompressed into; keeping one keeps that buffer.
#[must_use]
pub struct FetchedBatch {
    partition: TopicPartition,
    batch: Batch,
    /// Records below were not asked for.
    from: i64,
}

impl FetchedBatch {
    /// Checks the checksum and makes the records readable.
    pub(super) fn open(taken: TakenBatch) -> Result<Self, Error> {
        let open = || {
            taken.queued.raw.verify_crc()?;
            taken.queued.raw.open(DECOMPRESSED_BYTES_MAX)
        };
        let offset = taken.queued.raw.header.base_offset;
        let batch = open().map_err(|error| unreadable(&taken.partition, offset, &error))?;
        Ok(Self {
            partition: taken.partition,
            batch,
            from: taken.queued.from,
        })
    }

    /// The same for a batch that did not wait in a consumer's queue.
    pub(crate) fn from_raw(partition: TopicPartition, raw: &RawBatch) -> Result<Self, Error> {
        let offset = raw.header.base_offset;
        let open = || {
            raw.verify_crc()?;
            raw.open(DECOMPRESSED_BYTES_MAX)
        };
        let batch = open().map_err(|error| unreadable(&partition, offset, &error))?;
        Ok(Self {
            partition,
            batch,
            from: offset,
        })
    }

    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        &self.partition.topic
    }

    /// The partition's index.
    pub fn partition(&self) -> i32 {
        self.partition.partition
    }

    /// The partition's full name.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The lowest offset a record of this batch can have.
    pub fn first_offset(&self) -> i64 {
        self.from.max(self.batch.header.base_offset)
    }

    /// The offset after this batch: what to commit when all of it is processed.
    pub fn next_offset(&self) -> i64 {
        self.batch.header.next_offset()
    }

    /// The most records this batch can hold; fewer when compaction has taken
    /// some or the fetch began in the middle.
    pub fn records_count_max(&self) -> usize {
        usize::try_from(self.batch.header.records_count).unwrap_or(0)
    }

    /// How many bytes the records take, decompressed.
    pub fn records_bytes(&self) -> usize {
        self.batch.records_bytes().len()
    }

    /// The epoch of the leader that wrote the batch (KIP-101); -1 when unknown.
    pub fn leader_epoch(&self) -> i32 {
        self.batch.header.partition_leader_epoch
    }

    /// Where the timestamps of its records come from.
    pub fn timestamp_type(&self) -> TimestampType {
        self.batch.header.attributes.timestamp_type()
    }

    /// The records, decoded one by one as slices of this batch.
    ///
    /// The checksum was right: an error is a producer's mistake, and ends the
    /// iteration.
    pub fn records(&self) -> FetchedRecords<'_> {
        FetchedRecords {
            batch: self,
            cursor: self.batch.cursor(),
        }
    }

    /// The same batch with another name for its topic, as its records then show it: for whoever
    /// reads a topic under a name that is not the cluster's.
    pub fn with_topic(mut self, topic: Arc<str>) -> Self {
        self.partition.topic = topic;
        self
    }

    /// The records as values of their own that share this batch.
    pub fn into_records(self) -> impl Iterator<Item = Result<ConsumedRecord, Error>> + Send {
        let mut cursor = self.batch.cursor();
        let batch = Arc::new(self);
        std::iter::from_fn(move || Self::next_owned(&batch, &mut cursor))
    }

    pub(super) fn cursor(&self) -> RecordCursor {
        self.batch.cursor()
    }

    /// The next record at `cursor` that was asked for.
    #[inline]
    pub(super) fn next_view(
        &self,
        cursor: &mut RecordCursor,
    ) -> Option<Result<RecordView<'_>, Error>> {
        loop {
            match cursor.next(&self.batch)? {
                Ok(view) if view.offset < self.from => {}
                Ok(view) => return Some(Ok(view)),
                Err(error) => return Some(Err(self.unreadable(&error))),
            }
        }
    }

    #[inline]
    pub(super) fn next_owned(
        batch: &Arc<Self>,
        cursor: &mut RecordCursor,
    ) -> Option<Result<ConsumedRecord, Error>> {
        let view = match batch.next_view(cursor)? {
            Ok(view) => view,
            Err(error) => return Some(Err(error)),
        };
        let records = &batch.batch;
        Some(Ok(ConsumedRecord {
            offset: view.offset,
            timestamp: view.timestamp,
            key: Part::of(records, view.key),
            value: Part::of(records, view.value),
            headers: Part::of(records, view.headers.as_bytes()),
            headers_count: view.headers.len() as u32,
            batch: Arc::clone(batch),
        }))
    }

    #[cold]
    fn unreadable(&self, error: &BatchError) -> Error {
        unreadable(&self.partition, self.batch.header.base_offset, error)
    }
}

impl fmt::Debug for FetchedBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FetchedBatch")
            .field("partition", &self.partition.to_string())
            .field("first_offset", &self.first_offset())
            .field("next_offset", &self.next_offset())
            .finish_non_exhaustive()
    }
}

impl<'a> IntoIterator for &'a FetchedBatch {
    type Item = Result<RecordView<'a>, Error>;
    type IntoIter = FetchedRecords<'a>;

    fn into_iter(self) -> FetchedRecords<'a> {
        self.records()
    }
}

/// Iterates over the records of a [`FetchedBatch`].
#[derive(Debug)]
#[must_use]
pub struct FetchedRecords<'a> {
    batch: &'a FetchedBatch,
    cursor: RecordCursor,
}

impl<'a> Iterator for FetchedRecords<'a> {
    type Item = Result<RecordView<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.batch.next_view(&mut self.cursor)
    }
}

/// One record, on its own.
///
/// It shares the batch it came in with that batch's other records: a clone counts a reference, and
/// keeping one keeps the batch. Copy key, value and headers out to keep them for long.
#[derive(Clone)]
pub struct ConsumedRecord {
    batch: Arc<FetchedBatch>,
    offset: i64,
    timestamp: i64,
    key: Part,
    value: Part,
    headers: Part,
    headers_count: u32,
}

/// Where in the records of its batch a part of a record is; batches are smaller than 2 GiB.
#[derive(Clone, Copy)]
struct Part {
    start: u32,
    /// [`Part::NONE`]: there is no such part.
    length: u32,
}

impl Part {
    const NONE: u32 = u32::MAX;

    #[inline]
    fn of(batch: &Batch, part: Option<&[u8]>) -> Self {
        let Some(part) = part else {
            return Self {
                start: 0,
                length: Self::NONE,
            };
        };
        let records = batch.records_bytes().as_ptr().addr();
        let start = part.as_ptr().addr().wrapping_sub(records);
        Self {
            start: start as u32,
            length: part.len() as u32,
        }
    }

    #[inline]
    fn range(self) -> Option<std::ops::Range<usize>> {
        let (start, length) = (self.start as usize, self.length as usize);
        (self.length != Self::NONE).then_some(start..start + length)
    }
}

impl ConsumedRecord {
    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        self.batch.topic()
    }

    /// The partition's index.
    pub fn partition(&self) -> i32 {
        self.batch.partition()
    }

    /// The full name of the record's partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        self.batch.topic_partition()
    }

    /// The record's offset in its partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// The epoch of the leader that wrote it; -1 when unknown.
    pub fn leader_epoch(&self) -> i32 {
        self.batch.leader_epoch()
    }

    /// Milliseconds since 1970.
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// Where the timestamp comes from.
    pub fn timestamp_type(&self) -> TimestampType {
        self.batch.timestamp_type()
    }

    /// The key, if there is one.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        self.part(self.key)
    }

    /// The value; `None` is a tombstone.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        self.part(self.value)
    }

    /// The key as bytes that share the batch's buffer.
    pub fn key_bytes(&self) -> Option<Bytes> {
        self.bytes(self.key)
    }

    /// The value as bytes that share the batch's buffer.
    pub fn value_bytes(&self) -> Option<Bytes> {
        self.bytes(self.value)
    }

    /// The headers in their order; a key may come more than once.
    #[inline]
    pub fn headers(&self) -> HeadersView<'_> {
        match self.part(self.headers) {
            Some(bytes) => HeadersView::of_read(bytes, self.headers_count),
            None => HeadersView::default(),
        }
    }

    /// The headers to keep, not yet decoded.
    pub fn fetched_headers(&self) -> FetchedHeaders {
        FetchedHeaders {
            bytes: self.bytes(self.headers).unwrap_or_default(),
            count: self.headers_count,
        }
    }

    #[inline]
    fn part(&self, part: Part) -> Option<&[u8]> {
        self.batch.batch.records_bytes().get(part.range()?)
    }

    fn bytes(&self, part: Part) -> Option<Bytes> {
        Some(self.batch.batch.bytes_of(self.part(part)?))
    }
}

impl fmt::Debug for ConsumedRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConsumedRecord")
            .field("topic", self.topic())
            .field("partition", &self.partition())
            .field("offset", &self.offset)
            .field("timestamp", &self.timestamp)
            .field("key_bytes", &self.key().map(<[u8]>::len))
            .field("value_bytes", &self.value().map(<[u8]>::len))
            .field("headers_count", &self.headers_count)
            .finish_non_exhaustive()
    }
}

/// Headers on their own, not yet decoded; a clone shares the buffer.
#[derive(Clone, Default)]
pub struct FetchedHeaders {
    bytes: Bytes,
    count: u32,
}

impl FetchedHeaders {
    /// The headers in their order; a key may come more than once.
    #[inline]
    pub fn view(&self) -> HeadersView<'_> {
        HeadersView::of_read(&self.bytes, self.count)
    }
}

impl fmt::Debug for FetchedHeaders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FetchedHeaders")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

fn unreadable(partition: &TopicPartition, offset: i64, error: &BatchError) -> Error {
    Error::protocol(format!("batch at offset {offset} of {partition}: {error}"))
}
