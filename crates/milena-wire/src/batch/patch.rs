//! Changes to a finished batch in place. Knows no records.

use super::header::{
    ATTRIBUTES_AT, Attributes, BATCH_HEADER_BYTES, BATCH_OVERHEAD_BYTES, CRC_AT, MAX_TIMESTAMP_AT,
    PRODUCER_ID_AT, TimestampType, compute_crc,
};
use super::{BatchError, BatchHeader};

const BASE_OFFSET_AT: usize = 0;
const LEADER_EPOCH_AT: usize = BATCH_OVERHEAD_BYTES;
const PRODUCER_EPOCH_AT: usize = PRODUCER_ID_AT + 8;
const BASE_SEQUENCE_AT: usize = PRODUCER_EPOCH_AT + 2;

/// Sets the base offset, which the checksum does not cover.
///
/// # Errors
/// [`BatchError::Truncated`] when there is no whole header.
pub fn patch_base_offset(batch: &mut [u8], base_offset: i64) -> Result<(), BatchError> {
    set(batch, BASE_OFFSET_AT, base_offset.to_be_bytes())
}

/// Sets the leader epoch, which the checksum does not cover.
///
/// # Errors
/// [`BatchError::Truncated`] when there is no whole header.
pub fn patch_leader_epoch(batch: &mut [u8], leader_epoch: i32) -> Result<(), BatchError> {
    set(batch, LEADER_EPOCH_AT, leader_epoch.to_be_bytes())
}

/// Gives one whole batch the broker's append time, in milliseconds since 1970, and a new checksum.
///
/// # Errors
/// [`BatchError`] when the header is not valid or the batch not whole.
pub fn patch_log_append_time(batch: &mut [u8], append_time: i64) -> Result<(), BatchError> {
    let header = parse_whole(batch)?;
    let attributes = header
        .attributes
        .with_timestamp_type(TimestampType::LogAppendTime);
    set(
        batch,
        ATTRIBUTES_AT,
        Attributes::bits(attributes).to_be_bytes(),
    )?;
    set(batch, MAX_TIMESTAMP_AT, append_time.to_be_bytes())?;
    set_crc(batch)
}

/// Gives one whole batch another producer id, epoch and base sequence, and a new checksum. Only
/// for a batch that certainly was not written under its old ones.
///
/// # Errors
/// [`BatchError`] when the header is not valid or the batch not whole.
pub fn patch_producer(
    batch: &mut [u8],
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
) -> Result<(), BatchError> {
    parse_whole(batch)?;
    set(batch, PRODUCER_ID_AT, producer_id.to_be_bytes())?;
    set(batch, PRODUCER_EPOCH_AT, producer_epoch.to_be_bytes())?;
    set(batch, BASE_SEQUENCE_AT, base_sequence.to_be_bytes())?;
    set_crc(batch)
}

fn parse_whole(batch: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(batch)?;
    if batch.len() != header.total_bytes() {
        let needed = header.total_bytes();
        return Err(BatchError::Truncated {
            needed,
            available: batch.len(),
        });
    }
    Ok(header)
}

fn set_crc(batch: &mut [u8]) -> Result<(), BatchError> {
    let crc = compute_crc(batch);
    set(batch, CRC_AT, crc.to_be_bytes())
}

fn set<const SIZE: usize>(
    batch: &mut [u8],
    at: usize,
    field: [u8; SIZE],
) -> Result<(), BatchError> {
    let available = batch.len();
    let target = batch
        .first_chunk_mut::<BATCH_HEADER_BYTES>()
        .and_then(|header| header.get_mut(at..))
        .and_then(<[u8]>::first_chunk_mut)
        .ok_or(BatchError::Truncated {
            needed: BATCH_HEADER_BYTES,
            available,
        })?;
    *target = field;
    Ok(())
}
