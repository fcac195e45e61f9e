//! Record batches of format 2 (KIP-98): the unit that is produced, stored and fetched.
//!
//! A batch is 61 bytes of [`BatchHeader`], then its records, as a whole compressed or not.
//! Written by [`BatchEncoder`]; read in steps that each cost something only when taken:
//! [`Batches`] finds batches in a buffer, [`RawBatch::verify_crc`] checks one,
//! [`RawBatch::open`] decompresses it, [`Batch::records`] decodes records one by one as slices.
//! Knows nothing of partitions, leaders or requests.

pub mod control;
mod decode;
mod encode;
mod error;
mod header;
mod patch;
mod record;
#[cfg(test)]
mod tests;

pub use decode::{Batch, Batches, RawBatch};
pub use encode::{BatchEncoder, BatchStamp, FinishedBatch, Header, RecordData};
pub use error::BatchError;
pub use header::{
    Attributes, BATCH_HEADER_BYTES, BATCH_OVERHEAD_BYTES, BatchHeader, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType, compute_crc, verify_crc,
};
pub use patch::{patch_base_offset, patch_leader_epoch, patch_log_append_time, patch_producer};
pub use record::{HeaderView, HeadersView, RecordCursor, RecordView, Records};
