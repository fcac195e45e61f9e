//! A batch with the same header and other bytes behind it: compressed otherwise, or with fewer records.
//!
//! Plain functions. Offsets, timestamps and sequences stay as they were.

use bytes::Bytes;
use milena_wire::batch::{
    BATCH_HEADER_BYTES, BATCH_OVERHEAD_BYTES, BatchError, BatchHeader, RawBatch, compute_crc,
};
use milena_wire::compression::{self, Compression};

use crate::limits;

/// The batch in another compression; the same one if that is what it has.
pub(crate) fn recompress(
    batch: RawBatch,
    codec: Compression,
    level: Option<i32>,
) -> Result<RawBatch, BatchError> {
    if batch.header.attributes.compression()? == codec {
        return Ok(batch);
    }
    let opened = batch.open(limits::DECOMPRESSED_BATCH_BYTES_MAX)?;
    rebuild(batch.header, opened.records_bytes(), codec, level)
}

/// A batch of these records, given uncompressed, under a header whose other fields stay.
pub(crate) fn rebuild(
    mut header: BatchHeader,
    records: &[u8],
    codec: Compression,
    level: Option<i32>,
) -> Result<RawBatch, BatchError> {
    let mut bytes = vec![0; BATCH_HEADER_BYTES];
    compression::compress(codec, level, records, &mut bytes)?;
    header.attributes = header.attributes.with_compression(codec);
    header.batch_length = i32::try_from(bytes.len() - BATCH_OVERHEAD_BYTES)
        .map_err(|_| BatchError::TooLarge { bytes: bytes.len() })?;
    write(&header, &mut bytes);
    header.crc = compute_crc(&bytes);
    write(&header, &mut bytes);
    RawBatch::parse(Bytes::from(bytes))
}

fn write(header: &BatchHeader, bytes: &mut [u8]) {
    if let Some(room) = bytes.first_chunk_mut::<BATCH_HEADER_BYTES>() {
        header.write(room);
    }
}

#[cfg(test)]
mod tests;
