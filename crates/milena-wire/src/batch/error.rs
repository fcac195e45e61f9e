//! What can be wrong with a batch. Knows no requests: callers add the partition.

use crate::compression::CompressionError;
use crate::varint::VarintError;

/// Why a batch could not be read, written or patched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The bytes end before the batch does.
    #[error("a record batch needs {needed} bytes, but only {available} are there")]
    Truncated {
        /// How many bytes are needed.
        needed: usize,
        /// How many bytes there are.
        available: usize,
    },
    /// The batch is of another format; 0 and 1 are message sets of before Kafka 0.11.
    #[error("record batch format {0} is not supported, only 2 is")]
    UnsupportedFormat(i8),
    /// The length does not even cover the header.
    #[error("a record batch announces a length of {0} bytes, less than its header has")]
    InvalidLength(i32),
    /// The number of records is negative or cannot fit into the batch.
    #[error("a record batch announces {count} records, which cannot be true")]
    InvalidCount {
        /// The announced number.
        count: i32,
    },
    /// The offsets of the batch do not ascend or leave the range of offsets.
    #[error(
        "a record batch at offset {base_offset} has a last offset delta of {last_offset_delta}"
    )]
    InvalidOffsets {
        /// The first offset.
        base_offset: i64,
        /// The announced distance of the last offset.
        last_offset_delta: i32,
    },
    /// The checksum does not agree with the content.
    #[error(
        "a record batch has the checksum {stored:#010x}, but its content gives {computed:#010x}"
    )]
    Checksum {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the content.
        computed: u32,
    },
    /// The records could not be decompressed or compressed.
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// A record within the batch is malformed.
    #[error("record {index} of a batch is malformed: {reason}")]
    InvalidRecord {
        /// Which record, counted from 0.
        index: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A control record is malformed.
    #[error("a control record is malformed: {0}")]
    InvalidControlRecord(&'static str),
    /// The record or the batch is larger than the format can say.
    #[error("a record of {bytes} bytes does not fit into a batch")]
    TooLarge {
        /// The size of the record in bytes.
        bytes: usize,
    },
    /// A batch without records was to be finished.
    #[error("a record batch without records cannot be written")]
    Empty,
}

/// What is wrong with one record; where is added above.
pub(super) type Reason = &'static str;

/// The reason for a bad variable-length integer.
pub(super) fn varint_reason(error: VarintError) -> Reason {
    match error {
        VarintError::Truncated => "the bytes end within a number",
        VarintError::TooLong => "a number is longer than its type allows",
    }
}
