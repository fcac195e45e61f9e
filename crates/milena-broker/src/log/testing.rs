//! Batches for the tests of the logs.

use bytes::Bytes;
use milena_wire::batch::{BatchEncoder, BatchStamp, Batches, RecordData};
use milena_wire::compression::Compression;

use super::{Piece, ReadLimit, StampedBatch};

/// No limit that matters.
pub(crate) const ALL: ReadLimit = ReadLimit {
    bytes_max: 1 << 30,
    first_batch_bytes_max: 1 << 30,
    before: i64::MAX,
};

/// A batch of records with these values, all at one timestamp, that starts at `base_offset`.
pub(crate) fn stamped(base_offset: i64, timestamp: i64, values: &[&str]) -> StampedBatch {
    sequenced(base_offset, timestamp, values, BatchStamp::default())
}

pub(crate) fn sequenced(
    base_offset: i64,
    timestamp: i64,
    values: &[&str],
    stamp: BatchStamp,
) -> StampedBatch {
    let mut encoder = BatchEncoder::with_capacity(256);
    for value in values {
        let record = RecordData {
            timestamp,
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
        };
        encoder.append(&record).expect("a small record");
    }
    let bytes = encoder
        .finish(stamp, Compression::None, None)
        .expect("a batch");
    let raw = Batches::new(bytes)
        .next()
        .expect("a batch")
        .expect("a batch");
    let mut header = raw.header;
    header.base_offset = base_offset;
    StampedBatch {
        header,
        bytes: raw.bytes().clone(),
    }
}

/// The base offsets of the batches in what was read.
pub(crate) fn base_offsets(pieces: &[Piece]) -> Vec<i64> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Whole(whole) => bytes.extend_from_slice(whole),
            Piece::Patched { head, body } => {
                bytes.extend_from_slice(head);
                bytes.extend_from_slice(body);
            }
        }
    }
    Batches::new(Bytes::from(bytes))
        .map(|raw| {
            let raw = raw.expect("a batch");
            raw.verify_crc().expect("an intact batch");
            raw.header.base_offset
        })
        .collect()
}
