//! Batches: records in, and out again.

use crate::VALUE_BYTES;
use anyhow::Result;
use milena_wire::Compression;
use milena_wire::batch::{BatchEncoder, BatchStamp, RawBatch, RecordData};
use milena_wire::limits::DECOMPRESSED_BYTES_MAX;
use std::hint::black_box;

const BATCH_RECORDS: u64 = 1_000;
const BATCH_BYTES: usize = 128 * 1024;
const TIMESTAMP: i64 = 1_700_000_000_000;

/// Appends records to batches and finishes those, checksum included.
pub(crate) fn encode(messages: u64) -> Result<()> {
    let value = [b'v'; VALUE_BYTES];
    for _ in 0..messages / BATCH_RECORDS {
        black_box(measured_encode(black_box(&value))?);
    }
    Ok(())
}

/// Checks a batch and reads its records.
pub(crate) fn decode(messages: u64) -> Result<()> {
    let batch = measured_encode(&[b'v'; VALUE_BYTES])?;
    for _ in 0..messages / BATCH_RECORDS {
        black_box(measured_decode(black_box(&batch))?);
    }
    Ok(())
}

#[inline(never)]
fn measured_encode(value: &[u8]) -> Result<RawBatch> {
    let mut encoder = BatchEncoder::with_capacity(BATCH_BYTES);
    let record = RecordData {
        timestamp: TIMESTAMP,
        value: Some(value),
        ..RecordData::default()
    };
    for _ in 0..BATCH_RECORDS {
        encoder.append(black_box(&record))?;
    }
    let batch = encoder.finish(BatchStamp::NONE, Compression::None, None)?;
    Ok(RawBatch::parse(batch)?)
}

#[inline(never)]
fn measured_decode(batch: &RawBatch) -> Result<usize> {
    batch.verify_crc()?;
    let mut bytes = 0;
    for record in &batch.open(DECOMPRESSED_BYTES_MAX)? {
        let record = record?;
        bytes += black_box(record.value).map_or(0, <[u8]>::len);
    }
    Ok(bytes)
}
