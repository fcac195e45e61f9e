//! From records to a batch. The producer's hot path: a record is written once, straight into its
//! wire form, and nothing is allocated for it. Knows no partition and no limit but the format's.

use super::header::{
    Attributes, BATCH_HEADER_BYTES, BATCH_OVERHEAD_BYTES, BatchHeader, FORMAT, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, compute_crc,
};
use super::{BatchError, TimestampType};
use crate::compression::{Compression, compress};
use crate::limits::{ENCODED_BYTES_MAX, HEADERS_PER_RECORD_MAX, RECORDS_PER_BATCH_MAX};
use crate::varint::{size_i32, size_i64, zigzag_i32, zigzag_i64};
use bytes::Bytes;

/// A header to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key; may come more than once in a record.
    pub key: &'a str,
    /// The value, if there is one.
    pub value: Option<&'a [u8]>,
}

/// A record to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordData<'a> {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers in their order.
    pub headers: &'a [Header<'a>],
}

/// Who produced a batch, known only when it is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchStamp {
    /// The producer id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The sequence number of the first record.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub is_transactional: bool,
}

impl BatchStamp {
    /// Nobody in particular: not idempotent.
    pub const NONE: Self = Self {
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        base_sequence: NO_SEQUENCE,
        is_transactional: false,
    };
}

impl Default for BatchStamp {
    fn default() -> Self {
        Self::NONE
    }
}

/// A batch in its final bytes.
#[derive(Debug)]
pub struct FinishedBatch {
    /// The whole batch, header included.
    pub batch: Vec<u8>,
    /// The buffer that the records were collected in, where compression made another one.
    pub uncompressed: Option<Vec<u8>>,
}

/// Collects records in their wire form, with room for the header in front.
///
/// The buffer is as long as it has room, so that a record's bytes are stored at once where they
/// belong: a `Vec` that grows with each field would be checked and updated that many times.
#[derive(Debug)]
#[must_use]
pub struct BatchEncoder {
    /// Of any content behind `end`.
    buffer: Vec<u8>,
    /// Where the batch ends so far.
    end: usize,
    count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchEncoder {
    /// An empty batch with room for `bytes` in all, header included; it grows if more is added.
    pub fn with_capacity(bytes: usize) -> Self {
        Self::with_buffer(Vec::new(), bytes)
    }

    /// As [`with_capacity`](Self::with_capacity), in the memory of a `buffer` that is not needed any
    /// more; what it holds is lost.
    pub fn with_buffer(mut buffer: Vec<u8>, bytes: usize) -> Self {
        let room = bytes.max(BATCH_HEADER_BYTES) + NUMBERS_BYTES;
        if buffer.capacity() < room {
            buffer = vec![0; room];
        } else {
            buffer.resize(room, 0);
        }
        Self {
            buffer,
            end: BATCH_HEADER_BYTES,
            count: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    /// Adds a record and gives its index in the batch.
    ///
    /// # Errors
    /// [`BatchError::TooLarge`] when the format has no room for it; the batch stays as it was.
    // Once a record, and left out of line or not as the rest of the caller's crate happens to fall:
    // that alone costs 30 instructions.
    #[inline(always)]
    pub fn append(&mut self, record: &RecordData<'_>) -> Result<u32, BatchError> {
        let index = self.count;
        let base_timestamp = match index {
            0 => record.timestamp,
            _ => self.base_timestamp,
        };
        let timestamp_delta = record.timestamp.wrapping_sub(base_timestamp);
        let body_bytes = body_bytes(record, timestamp_delta, index as i32);
        if self.end.saturating_add(body_bytes) > ENCODED_BYTES_MAX
            || index as usize >= RECORDS_PER_BATCH_MAX
            || record.headers.len() > HEADERS_PER_RECORD_MAX
        {
            return Err(BatchError::TooLarge { bytes: body_bytes });
        }
        let mut out = self.room_for(body_bytes);
        out.put(u64::from(zigzag_i32(body_bytes as i32)));
        out.put(NO_ATTRIBUTES);
        out.put(zigzag_i64(timestamp_delta));
        out.put(u64::from(zigzag_i32(index as i32)));
        out.put_field(record.key);
        out.put_field(record.value);
        out.put(u64::from(zigzag_i32(record.headers.len() as i32)));
        for header in record.headers {
            out.put_field(Some(header.key.as_bytes()));
            out.put_field(header.value);
        }
        self.end += out.position;
        self.count += 1;
        self.base_timestamp = base_timestamp;
        self.max_timestamp = match index {
            0 => record.timestamp,
            _ => self.max_timestamp.max(record.timestamp),
        };
        Ok(index)
    }

    /// Where a record with a body of `body_bytes` goes.
    #[inline]
    fn room_for(&mut self, body_bytes: usize) -> Destination<'_> {
        let end_max = self.end + body_bytes + NUMBERS_BYTES;
        if end_max > self.buffer.len() {
            self.make_room(end_max);
        }
        Destination {
            bytes: &mut self.buffer[self.end..],
            position: 0,
        }
    }

    #[cold]
    fn make_room(&mut self, bytes: usize) {
        let doubled = self.buffer.len().saturating_mul(2);
        self.buffer.resize(bytes.max(doubled), 0);
    }

    /// Makes room for exactly `bytes` more than the batch has room for now.
    pub fn reserve(&mut self, bytes: usize) {
        self.buffer.reserve_exact(bytes);
        self.buffer.resize(self.buffer.len() + bytes, 0);
    }

    /// The size of the batch so far in bytes, header included, before compression.
    #[inline]
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        self.end
    }

    /// How many records there are.
    #[inline]
    #[must_use]
    pub fn records_count(&self) -> u32 {
        self.count
    }

    /// Whether there are no records.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The greatest timestamp so far; [`NO_TIMESTAMP`] without records.
    #[must_use]
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// How many bytes `record` would add at most.
    #[inline]
    #[must_use]
    pub fn record_bytes(&self, record: &RecordData<'_>) -> usize {
        let base = if self.count == 0 {
            record.timestamp
        } else {
            self.base_timestamp
        };
        let delta = record.timestamp.wrapping_sub(base);
        LENGTH_BYTES_MAX + body_bytes(record, delta, self.count as i32)
    }

    /// Finishes the batch: compresses the records, writes the header in front of them, and
    /// computes the checksum. The base offset is 0 and the leader epoch -1; the broker sets both.
    ///
    /// # Errors
    /// [`BatchError::Empty`] without records, [`BatchError::Compression`] when the codec fails.
    pub fn finish(
        mut self,
        stamp: BatchStamp,
        compression: Compression,
        level: Option<i32>,
    ) -> Result<Bytes, BatchError> {
        let finished = self.finish_buffers(stamp, compression, level)?;
        Ok(Bytes::from(finished.batch))
    }

    /// As [`finish`](Self::finish), for callers that use buffers again. The records are here no
    /// longer then; after an error they are.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_buffers(
        &mut self,
        stamp: BatchStamp,
        compression: Compression,
        level: Option<i32>,
    ) -> Result<FinishedBatch, BatchError> {
        let attributes = Attributes::default()
            .with_compression(compression)
            .with_timestamp_type(TimestampType::CreateTime)
            .with_transactional(stamp.is_transactional);
        self.finish_with(stamp, attributes, compression, level)
    }

    pub(super) fn finish_with(
        &mut self,
        stamp: BatchStamp,
        attributes: Attributes,
        compression: Compression,
        level: Option<i32>,
    ) -> Result<FinishedBatch, BatchError> {
        if self.count == 0 {
            return Err(BatchError::Empty);
        }
        self.buffer.truncate(self.end);
        let compressed = match compression {
            Compression::None => None,
            codec => Some(self.compressed(codec, level)?),
        };
        let total_bytes = compressed.as_ref().unwrap_or(&self.buffer).len();
        let mut header = BatchHeader {
            base_offset: 0,
            batch_length: batch_length(total_bytes)?,
            partition_leader_epoch: -1,
            magic: FORMAT,
            crc: 0,
            attributes,
            last_offset_delta: self.count as i32 - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: stamp.producer_id,
            producer_epoch: stamp.producer_epoch,
            base_sequence: stamp.base_sequence,
            records_count: self.count as i32,
        };
        // Nothing fails from here on.
        let own = std::mem::take(&mut self.buffer);
        (self.end, self.count) = (BATCH_HEADER_BYTES, 0);
        let (mut batch, uncompressed) = match compressed {
            Some(compressed) => (compressed, Some(own)),
            None => (own, None),
        };
        write_header(&mut batch, &header);
        header.crc = compute_crc(&batch);
        write_header(&mut batch, &header);
        Ok(FinishedBatch {
            batch,
            uncompressed,
        })
    }

    /// The records compressed, behind room for the header.
    fn compressed(&self, codec: Compression, level: Option<i32>) -> Result<Vec<u8>, BatchError> {
        let records = self.buffer.get(BATCH_HEADER_BYTES..).unwrap_or_default();
        let mut compressed = Vec::with_capacity(BATCH_HEADER_BYTES + records.len() / 2);
        compressed.resize(BATCH_HEADER_BYTES, 0);
        compress(codec, level, records, &mut compressed)?;
        Ok(compressed)
    }
}

fn write_header(batch: &mut [u8], header: &BatchHeader) {
    let room = batch.first_chunk_mut::<BATCH_HEADER_BYTES>();
    header.write(room.expect("invariant: the buffer starts with room for the header"));
}

/// The most bytes a record's length takes.
const LENGTH_BYTES_MAX: usize = 5;
/// No bit of a record's attributes has a meaning yet.
const NO_ATTRIBUTES: u64 = 0;
/// The length -1 of a field that is null.
const NULL_LENGTH: u8 = 1;
/// Room that is left behind a record: its length may take [`LENGTH_BYTES_MAX`] of it.
const NUMBERS_BYTES: usize = 32;

/// The rest of the buffer, written from its start on.
struct Destination<'a> {
    bytes: &'a mut [u8],
    position: usize,
}

impl Destination<'_> {
    #[inline]
    fn put(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put_byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.put_byte(value as u8);
    }

    #[inline]
    fn put_byte(&mut self, byte: u8) {
        self.bytes[self.position] = byte;
        self.position += 1;
    }

    #[inline]
    fn put_field(&mut self, field: Option<&[u8]>) {
        let Some(field) = field else {
            return self.put_byte(NULL_LENGTH);
        };
        self.put(u64::from(zigzag_i32(field.len() as i32)));
        let end = self.position + field.len();
        self.bytes[self.position..end].copy_from_slice(field);
        self.position = end;
    }
}

/// The size of a record behind its length.
#[inline(always)]
fn body_bytes(record: &RecordData<'_>, timestamp_delta: i64, offset_delta: i32) -> usize {
    let mut bytes = 1 + size_i64(timestamp_delta) + size_i32(offset_delta);
    bytes += field_bytes(record.key) + field_bytes(record.value);
    bytes += size_i32(record.headers.len() as i32);
    for header in record.headers {
        bytes += field_bytes(Some(header.key.as_bytes())) + field_bytes(header.value);
    }
    bytes
}

#[inline]
fn field_bytes(field: Option<&[u8]>) -> usize {
    match field {
        Some(field) => size_i64(field.len() as i64).saturating_add(field.len()),
        None => 1,
    }
}

fn batch_length(total_bytes: usize) -> Result<i32, BatchError> {
    total_bytes
        .checked_sub(BATCH_OVERHEAD_BYTES)
        .and_then(|length| i32::try_from(length).ok())
        .ok_or(BatchError::TooLarge { bytes: total_bytes })
}
