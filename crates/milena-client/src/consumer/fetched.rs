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

    /// The records as values of their own that share this batch's buffer.
    pub fn into_records(self) -> impl Iterator<Item = Result<ConsumedRecord, Error>> + Send {
        let mut cursor = self.batch.cursor();
        std::iter::from_fn(move || self.next_owned(&mut cursor))
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
        &self,
        cursor: &mut RecordCursor,
    ) -> Option<Result<ConsumedRecord, Error>> {
        let view = match self.next_view(cursor)? {
            Ok(view) => view,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(ConsumedRecord {
            topic: Arc::clone(&self.partition.topic),
            partition: self.partition.partition,
            offset: view.offset,
            leader_epoch: self.batch.header.partition_leader_epoch,
            timestamp: view.timestamp,
            timestamp_type: self.batch.header.attributes.timestamp_type(),
            key: view.key_bytes(&self.batch),
            value: view.value_bytes(&self.batch),
            headers: FetchedHeaders {
                count: view.headers.len(),
                bytes: view.headers_bytes(&self.batch),
            },
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
/// Key, value and headers share the buffer of the batch the record came in;
/// copy them out to keep them for long.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConsumedRecord {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's index.
    pub partition: i32,
    /// The record's offset in its partition.
    pub offset: i64,
    /// The epoch of the leader that wrote it; -1 when unknown.
    pub leader_epoch: i32,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Where the timestamp comes from.
    pub timestamp_type: TimestampType,
    /// The key, if there is one.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    headers: FetchedHeaders,
}

/// Headers on their own, not yet decoded; a clone shares the buffer.
#[derive(Clone, Default)]
pub struct FetchedHeaders {
    bytes: Bytes,
    count: usize,
}

impl FetchedHeaders {
    /// The headers in their order; a key may come more than once.
    pub fn view(&self) -> HeadersView<'_> {
        // They were read once already.
        HeadersView::parse(&self.bytes, self.count).unwrap_or_default()
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

impl ConsumedRecord {
    /// The headers in their order; a key may come more than once.
    pub fn headers(&self) -> HeadersView<'_> {
        self.headers.view()
    }

    /// The headers to keep, not yet decoded.
    pub fn fetched_headers(&self) -> &FetchedHeaders {
        &self.headers
    }

    /// The name of the record's partition.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition {
            topic: Arc::clone(&self.topic),
            partition: self.partition,
        }
    }
}

impl fmt::Debug for ConsumedRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes_of = |field: &Option<Bytes>| field.as_ref().map(Bytes::len);
        formatter
            .debug_struct("ConsumedRecord")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .field("timestamp", &self.timestamp)
            .field("key_bytes", &bytes_of(&self.key))
            .field("value_bytes", &bytes_of(&self.value))
            .field("headers_count", &self.headers.count)
            .finish_non_exhaustive()
    }
}

fn unreadable(partition: &TopicPartition, offset: i64, error: &BatchError) -> Error {
    Error::protocol(format!("batch at offset {offset} of {partition}: {error}"))
}
