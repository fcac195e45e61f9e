//! The control batches that end transactions in a partition (KIP-98).
//!
//! Owns writing one, and reading one back when a log is recovered. Knows no
//! coordinator's state.

use bytes::Bytes;
use milena_wire::batch::control::{ControlRecord, TransactionEnd, encode_transaction_marker};
use milena_wire::batch::{BatchHeader, RawBatch};
use milena_wire::error_code::ErrorCode;

use super::producers::AppendedMarker;
use super::validate::Refusal;
use super::{PATCHED_BYTES, Piece};
use crate::limits;

/// Where the last offset delta of a batch stands, counted from the leader epoch's end.
const LAST_OFFSET_DELTA_AT: usize = 23 - PATCHED_BYTES;

/// The end of one producer's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) end: TransactionEnd,
}

impl Marker {
    /// The control batch that says so.
    pub(crate) fn encode(self, now_ms: i64) -> Result<RawBatch, Refusal> {
        let bytes = encode_transaction_marker(
            self.end,
            self.producer_id,
            self.epoch,
            self.coordinator_epoch,
            now_ms,
        );
        let batch = bytes.and_then(RawBatch::parse);
        batch.map_err(|error| Refusal::new(ErrorCode::UnknownServerError, error.to_string()))
    }

    pub(crate) fn appended(self, offset: i64, timestamp: i64) -> AppendedMarker {
        AppendedMarker {
            producer_id: self.producer_id,
            epoch: self.epoch,
            coordinator_epoch: self.coordinator_epoch,
            is_abort: self.end == TransactionEnd::Abort,
            offset,
            timestamp,
        }
    }
}

/// Reads a marker back; `None` for other batches.
pub(crate) fn read(header: &BatchHeader, bytes: &[u8], now_ms: i64) -> Option<AppendedMarker> {
    if !header.attributes.is_control() || header.producer_id < 0 {
        return None;
    }
    let batch = RawBatch::parse(Bytes::copy_from_slice(bytes)).ok()?;
    let opened = batch.open(limits::DECOMPRESSED_BATCH_BYTES_MAX).ok()?;
    let record = opened.records().next()?.ok()?;
    let (coordinator_epoch, is_abort) = match ControlRecord::parse(&record).ok()? {
        ControlRecord::Abort { coordinator_epoch } => (coordinator_epoch, true),
        ControlRecord::Commit { coordinator_epoch } => (coordinator_epoch, false),
        _ => return None,
    };
    Some(AppendedMarker {
        producer_id: header.producer_id,
        epoch: header.producer_epoch,
        coordinator_epoch,
        is_abort,
        offset: header.base_offset,
        timestamp: now_ms,
    })
}

/// The offset behind the last batch of what was read.
pub(crate) fn end_of(pieces: &[Piece]) -> Option<i64> {
    match pieces.last()? {
        Piece::Whole(bytes) => {
            let mut rest: &[u8] = bytes;
            let mut end = None;
            while let Ok(header) = BatchHeader::parse(rest) {
                end = Some(header.next_offset());
                rest = rest.get(header.total_bytes()..).unwrap_or_default();
            }
            end
        }
        Piece::Patched { head, body } => {
            let base_offset = i64::from_be_bytes(*head.first_chunk()?);
            let delta = body.get(LAST_OFFSET_DELTA_AT..)?.first_chunk()?;
            Some(base_offset + i64::from(i32::from_be_bytes(*delta)) + 1)
        }
    }
}

#[cfg(test)]
mod tests;
