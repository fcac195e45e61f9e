//! What several tests need: the golden files and ways to read a batch whole.

use bytes::Bytes;
use milena_wire::batch::{Batch, BatchError, Batches, RawBatch, RecordView};
use milena_wire::limits::DECOMPRESSED_BYTES_MAX;
use std::path::Path;

/// The names of the golden files that hold batches.
pub(crate) const BATCH_FILES: [&str; 15] = [
    "java_none",
    "java_gzip",
    "java_snappy",
    "java_lz4",
    "java_zstd",
    "java_log_append_time",
    "java_transaction",
    "java_timestamps_apart",
    "java_compacted",
    "librdkafka_none",
    "librdkafka_none_idempotent",
    "librdkafka_gzip",
    "librdkafka_snappy",
    "librdkafka_lz4",
    "librdkafka_zstd",
];

pub(crate) fn golden(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.bin"));
    let bytes = std::fs::read(&path);
    Bytes::from(bytes.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Every batch in `bytes`, which must end with a whole one.
pub(crate) fn raw_batches(bytes: Bytes) -> Result<Vec<RawBatch>, BatchError> {
    let mut batches = Batches::new(bytes);
    let all = batches.by_ref().collect::<Result<Vec<_>, _>>()?;
    assert!(!batches.partial_trailing());
    Ok(all)
}

pub(crate) fn open(batch: &RawBatch) -> Result<Batch, BatchError> {
    batch.verify_crc()?;
    batch.open(DECOMPRESSED_BYTES_MAX)
}

pub(crate) fn records(batch: &Batch) -> Result<Vec<RecordView<'_>>, BatchError> {
    batch.records().collect()
}

/// What is left of a header for comparisons.
pub(crate) type OwnedHeader = (Vec<u8>, Option<Vec<u8>>);

pub(crate) fn headers(record: &RecordView<'_>) -> Vec<OwnedHeader> {
    let owned = record.headers.iter();
    owned
        .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
        .collect()
}
