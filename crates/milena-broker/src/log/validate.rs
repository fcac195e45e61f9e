//! Whether the bytes of a produce request may enter a log.
//!
//! Owns the checks on a batch (layout, checksum, records, flags) and look-ups by
//! timestamp inside one. Knows no partition.

use bytes::Bytes;
use milena_wire::batch::{BATCH_HEADER_BYTES, BatchHeader, Batches, RawBatch};
use milena_wire::error_code::ErrorCode;

use super::{LogError, TimestampedOffset};
use crate::limits;

/// What the partition's configuration demands of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchRules {
    pub(crate) batch_bytes_max: usize,
    /// Timestamps above this (wall clock now plus the tolerance) are refused.
    pub(crate) timestamp_max: i64,
    /// Timestamps below this are refused.
    pub(crate) timestamp_min: i64,
    /// Records are found by their keys: each has one.
    pub(crate) needs_keys: bool,
}

/// Why a batch was refused: the code, and a sentence for the producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Refusal {
            code,
            message: message.into(),
        }
    }
}

/// Checks the records of one partition of a produce request: exactly one batch.
pub(crate) fn check(records: Option<Bytes>, rules: BatchRules) -> Result<RawBatch, Refusal> {
    let records = records.unwrap_or_default();
    check_magic(&records)?;
    if records.len() > rules.batch_bytes_max {
        return Err(Refusal::new(
            ErrorCode::MessageTooLarge,
            format!(
                "the batch has {} bytes, message.max.bytes is {}",
                records.len(),
                rules.batch_bytes_max
            ),
        ));
    }
    let total_bytes = records.len();
    let batch = Batches::new(records)
        .next()
        .ok_or_else(|| corrupt("the batch is shorter than its length field says"))?
        .map_err(|error| corrupt(error.to_string()))?;
    if batch.bytes().len() != total_bytes {
        return Err(invalid(
            "a produce request carries exactly one batch per partition",
        ));
    }
    batch
        .verify_crc()
        .map_err(|error| corrupt(error.to_string()))?;
    check_header(&batch.header, rules)?;
    check_records(&batch, rules)?;
    Ok(batch)
}

/// The position of the magic byte, the same in every version of the format.
const MAGIC_POSITION: usize = 16;

fn check_magic(records: &[u8]) -> Result<(), Refusal> {
    match records.get(MAGIC_POSITION) {
        None => Err(invalid(
            "a produce request carries exactly one batch per partition",
        )),
        Some(2) if records.len() < BATCH_HEADER_BYTES => {
            Err(corrupt("the batch header is cut off"))
        }
        Some(2) => Ok(()),
        Some(0 | 1) => Err(Refusal::new(
            ErrorCode::UnsupportedForMessageFormat,
            "message formats 0 and 1 are not supported; send record batches (magic 2)",
        )),
        Some(other) => Err(invalid(format!("unknown record batch magic {other}"))),
    }
}

fn check_header(header: &BatchHeader, rules: BatchRules) -> Result<(), Refusal> {
    if header.attributes.is_control() {
        return Err(invalid("clients may not write control records"));
    }
    if header.records_count < 1 {
        return Err(invalid("the batch has no records"));
    }
    if header.last_offset_delta != header.records_count - 1 {
        return Err(invalid(format!(
            "a batch of {} records cannot end at offset delta {}",
            header.records_count, header.last_offset_delta
        )));
    }
    if header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return Err(invalid("an idempotent batch needs a sequence and an epoch"));
    }
    if header.attributes.is_transactional() && header.producer_id < 0 {
        return Err(invalid("a transactional batch needs a producer id"));
    }
    if !(rules.timestamp_min..=rules.timestamp_max).contains(&header.max_timestamp) {
        return Err(Refusal::new(
            ErrorCode::InvalidTimestamp,
            format!(
                "timestamp {} is outside {}..={}",
                header.max_timestamp, rules.timestamp_min, rules.timestamp_max
            ),
        ));
    }
    Ok(())
}

/// Reads every record once, so that no consumer finds what it cannot read.
fn check_records(batch: &RawBatch, rules: BatchRules) -> Result<(), Refusal> {
    let opened = batch
        .open(limits::DECOMPRESSED_BATCH_BYTES_MAX)
        .map_err(|error| corrupt(error.to_string()))?;
    let mut expected_offset = batch.header.base_offset;
    for record in opened.records() {
        let record = record.map_err(|error| invalid(error.to_string()))?;
        if record.offset != expected_offset {
            return Err(invalid(format!(
                "record offset {} where {expected_offset} follows",
                record.offset
            )));
        }
        if rules.needs_keys && record.key.is_none() {
            return Err(invalid("a compacted topic takes no record without a key"));
        }
        expected_offset += 1;
    }
    let count = expected_offset - batch.header.base_offset;
    if count != i64::from(batch.header.records_count) {
        return Err(invalid(format!(
            "the batch announces {} records and has {count}",
            batch.header.records_count
        )));
    }
    Ok(())
}

/// The first record of a stored batch, from `start` on, that is not older than `timestamp`.
pub(crate) fn first_at_or_after(
    start: i64,
    batch: Bytes,
    timestamp: i64,
) -> Result<Option<TimestampedOffset>, LogError> {
    let damaged = |reason: String| LogError::Damaged {
        offset: start,
        reason,
    };
    let Some(batch) = Batches::new(batch).next() else {
        return Err(damaged("it is cut off".to_owned()));
    };
    let opened = batch
        .and_then(|batch| batch.open(limits::DECOMPRESSED_BATCH_BYTES_MAX))
        .map_err(|error| damaged(error.to_string()))?;
    for record in opened.records() {
        let record = record.map_err(|error| damaged(error.to_string()))?;
        if record.timestamp >= timestamp && record.offset >= start {
            return Ok(Some(TimestampedOffset {
                offset: record.offset,
                timestamp: record.timestamp,
            }));
        }
    }
    Ok(None)
}

fn corrupt(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::CorruptMessage, message)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRecord, message)
}
