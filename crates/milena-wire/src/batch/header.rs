//! The 61 bytes in front of the records, their checksum and attributes. Knows no records.

use super::BatchError;
use crate::compression::{Compression, CompressionError};
use crate::limits::RECORDS_PER_BATCH_MAX;

/// The size of a batch's header, including the base offset and the length.
pub const BATCH_HEADER_BYTES: usize = 61;
/// The bytes in front of what the batch length counts: the base offset and the length itself.
pub const BATCH_OVERHEAD_BYTES: usize = 12;
/// The producer id of a batch that is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// The producer epoch of a batch that is not idempotent.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// The base sequence of a batch that is not idempotent.
pub const NO_SEQUENCE: i32 = -1;
/// The timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;

pub(super) const FORMAT: i8 = 2;
pub(super) const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: usize = 17;
/// The checksum covers everything from here on.
pub(super) const ATTRIBUTES_AT: usize = 21;
pub(super) const MAX_TIMESTAMP_AT: usize = 35;
pub(super) const PRODUCER_ID_AT: usize = 43;
const LENGTH_MIN: i32 = (BATCH_HEADER_BYTES - BATCH_OVERHEAD_BYTES) as i32;
/// A record takes at least its length, attributes, two deltas, two lengths and a header count.
const RECORD_BYTES_MIN: usize = 7;

/// The fields of a batch's header, in their order on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record the batch was written with.
    pub base_offset: i64,
    /// The size of the batch in bytes, without the base offset and this field.
    pub batch_length: i32,
    /// The epoch of the leader that appended the batch; -1 from a producer.
    pub partition_leader_epoch: i32,
    /// The format; always 2.
    pub magic: i8,
    /// The CRC-32C of everything behind it.
    pub crc: u32,
    /// Compression, kind of timestamps, transactional and control flags.
    pub attributes: Attributes,
    /// The distance of the last offset from the first. Survives compaction, even when the last
    /// record, or every record, is gone.
    pub last_offset_delta: i32,
    /// The timestamp record deltas count from, in milliseconds since 1970.
    pub base_timestamp: i64,
    /// The greatest timestamp, or the append time for [`TimestampType::LogAppendTime`].
    pub max_timestamp: i64,
    /// Who produced the batch; [`NO_PRODUCER_ID`] if not idempotent.
    pub producer_id: i64,
    /// The producer's epoch; [`NO_PRODUCER_EPOCH`] if not idempotent.
    pub producer_epoch: i16,
    /// The sequence number of the first record; [`NO_SEQUENCE`] if not idempotent.
    pub base_sequence: i32,
    /// How many records the batch holds now.
    pub records_count: i32,
}

impl BatchHeader {
    /// Reads a header from the front of `bytes` and checks that it can be true: format, length,
    /// offsets, and a number of records that fits. The rest of the batch need not be there.
    ///
    /// # Errors
    /// [`BatchError`] saying which field is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let header = bytes
            .first_chunk::<BATCH_HEADER_BYTES>()
            .ok_or(BatchError::Truncated {
                needed: BATCH_HEADER_BYTES,
                available: bytes.len(),
            })?;
        let header = Self::read(header);
        header.check()?;
        Ok(header)
    }

    fn read(bytes: &[u8; BATCH_HEADER_BYTES]) -> Self {
        let mut fields = Fields { bytes };
        Self {
            base_offset: i64::from_be_bytes(fields.take()),
            batch_length: i32::from_be_bytes(fields.take()),
            partition_leader_epoch: i32::from_be_bytes(fields.take()),
            magic: i8::from_be_bytes(fields.take()),
            crc: u32::from_be_bytes(fields.take()),
            attributes: Attributes(i16::from_be_bytes(fields.take())),
            last_offset_delta: i32::from_be_bytes(fields.take()),
            base_timestamp: i64::from_be_bytes(fields.take()),
            max_timestamp: i64::from_be_bytes(fields.take()),
            producer_id: i64::from_be_bytes(fields.take()),
            producer_epoch: i16::from_be_bytes(fields.take()),
            base_sequence: i32::from_be_bytes(fields.take()),
            records_count: i32::from_be_bytes(fields.take()),
        }
    }

    fn check(&self) -> Result<(), BatchError> {
        if self.magic != FORMAT {
            return Err(BatchError::UnsupportedFormat(self.magic));
        }
        if self.batch_length < LENGTH_MIN {
            return Err(BatchError::InvalidLength(self.batch_length));
        }
        let delta = i64::from(self.last_offset_delta);
        let next_offset = self
            .base_offset
            .checked_add(delta)
            .and_then(|last| last.checked_add(1));
        if delta < 0 || next_offset.is_none() {
            return Err(BatchError::InvalidOffsets {
                base_offset: self.base_offset,
                last_offset_delta: self.last_offset_delta,
            });
        }
        let count = usize::try_from(self.records_count).unwrap_or(usize::MAX);
        let fits = match self.attributes.compression()? {
            Compression::None => count <= self.records_bytes() / RECORD_BYTES_MIN,
            _ => count <= RECORDS_PER_BATCH_MAX,
        };
        // Each record has an offset of its own.
        if !fits || i64::from(self.records_count) > delta + 1 {
            return Err(BatchError::InvalidCount {
                count: self.records_count,
            });
        }
        Ok(())
    }

    /// Writes the fields in their order.
    pub fn write(&self, out: &mut [u8; BATCH_HEADER_BYTES]) {
        let mut rest = out.as_mut_slice();
        put(&mut rest, self.base_offset.to_be_bytes());
        put(&mut rest, self.batch_length.to_be_bytes());
        put(&mut rest, self.partition_leader_epoch.to_be_bytes());
        put(&mut rest, self.magic.to_be_bytes());
        put(&mut rest, self.crc.to_be_bytes());
        put(&mut rest, self.attributes.0.to_be_bytes());
        put(&mut rest, self.last_offset_delta.to_be_bytes());
        put(&mut rest, self.base_timestamp.to_be_bytes());
        put(&mut rest, self.max_timestamp.to_be_bytes());
        put(&mut rest, self.producer_id.to_be_bytes());
        put(&mut rest, self.producer_epoch.to_be_bytes());
        put(&mut rest, self.base_sequence.to_be_bytes());
        put(&mut rest, self.records_count.to_be_bytes());
    }

    /// The size of the whole batch in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        BATCH_OVERHEAD_BYTES + usize::try_from(self.batch_length).unwrap_or(0)
    }

    /// The size of the records as they are in the batch, compressed or not.
    #[must_use]
    pub fn records_bytes(&self) -> usize {
        self.total_bytes().saturating_sub(BATCH_HEADER_BYTES)
    }

    /// The offset of the last record the batch was written with.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
    }

    /// The offset behind the batch: where to fetch next, also when compaction emptied the batch.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// The sequence number of the last record; wraps from 2³¹−1 to 0, as Kafka's do.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return NO_SEQUENCE;
        }
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }

    /// Whether the batch is an idempotent producer's.
    #[must_use]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }
}

/// Takes fixed-size fields from the front of a header.
struct Fields<'a> {
    bytes: &'a [u8],
}

impl Fields<'_> {
    #[inline]
    fn take<const SIZE: usize>(&mut self) -> [u8; SIZE] {
        let (field, rest) = self
            .bytes
            .split_first_chunk()
            .expect("invariant: the fields add up to the header");
        self.bytes = rest;
        *field
    }
}

#[inline]
fn put<const SIZE: usize>(rest: &mut &mut [u8], field: [u8; SIZE]) {
    let (target, behind) = std::mem::take(rest)
        .split_first_chunk_mut()
        .expect("invariant: the fields add up to the header");
    *target = field;
    *rest = behind;
}

/// Whose clock the timestamps of a batch come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimestampType {
    /// Each record has the time its producer gave it.
    #[default]
    CreateTime,
    /// All records have the time the broker appended the batch.
    LogAppendTime,
}

/// The flags of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(i16);

impl Attributes {
    const COMPRESSION_MASK: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// From the bits on the wire; those without a meaning are kept.
    #[must_use]
    pub const fn from_bits(bits: i16) -> Self {
        Self(bits)
    }

    /// The bits on the wire.
    #[must_use]
    pub const fn bits(self) -> i16 {
        self.0
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// [`CompressionError::UnknownCodec`] for 5, 6 and 7.
    pub fn compression(self) -> Result<Compression, CompressionError> {
        Compression::try_from((self.0 & Self::COMPRESSION_MASK) as u8)
    }

    /// Whose clock the timestamps come from.
    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.has(Self::LOG_APPEND_TIME) {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.has(Self::TRANSACTIONAL)
    }

    /// Whether the records are Kafka's own markers, which applications never see.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.has(Self::CONTROL)
    }

    /// Whether the base timestamp is the time from which tombstones may go (KIP-534).
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.has(Self::DELETE_HORIZON)
    }

    /// With this compression.
    #[must_use]
    pub const fn with_compression(self, codec: Compression) -> Self {
        Self(self.0 & !Self::COMPRESSION_MASK | codec as i16)
    }

    /// With timestamps of this kind.
    #[must_use]
    pub const fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.with(
            Self::LOG_APPEND_TIME,
            matches!(timestamp_type, TimestampType::LogAppendTime),
        )
    }

    /// As part of a transaction, or not.
    #[must_use]
    pub const fn with_transactional(self, is_transactional: bool) -> Self {
        self.with(Self::TRANSACTIONAL, is_transactional)
    }

    /// As a control batch, or not.
    #[must_use]
    pub const fn with_control(self, is_control: bool) -> Self {
        self.with(Self::CONTROL, is_control)
    }

    /// With a delete horizon, or without.
    #[must_use]
    pub const fn with_delete_horizon(self, has_delete_horizon: bool) -> Self {
        self.with(Self::DELETE_HORIZON, has_delete_horizon)
    }

    const fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }

    const fn with(self, bit: i16, on: bool) -> Self {
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// The CRC-32C that belongs into the header of this whole batch; 0 for less than a header.
#[must_use]
pub fn compute_crc(batch: &[u8]) -> u32 {
    crc32c::crc32c(batch.get(ATTRIBUTES_AT..).unwrap_or_default())
}

/// Checks the checksum of one whole batch.
///
/// # Errors
/// [`BatchError::Checksum`] when it does not agree, [`BatchError::Truncated`] without a header.
pub fn verify_crc(batch: &[u8]) -> Result<(), BatchError> {
    let stored = batch.get(CRC_AT..).and_then(<[u8]>::first_chunk);
    let Some(stored) = stored.filter(|_| batch.len() >= BATCH_HEADER_BYTES) else {
        return Err(BatchError::Truncated {
            needed: BATCH_HEADER_BYTES,
            available: batch.len(),
        });
    };
    let stored = u32::from_be_bytes(*stored);
    let computed = compute_crc(batch);
    if stored == computed {
        Ok(())
    } else {
        Err(BatchError::Checksum { stored, computed })
    }
}
