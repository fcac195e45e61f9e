//! A batch's life: open while records are appended, sealed once it is stamped for the wire.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use milena_wire::batch::{BatchEncoder, BatchStamp, RecordData, patch_producer};
use milena_wire::compression::Compression;

use super::budget::Reservation;
use super::delivery::BatchOutcome;
use super::error::{ProduceError, ProduceErrorKind};
use crate::buffer_pool::BufferPool;

/// Records of one partition, in wire form, still growing.
#[derive(Debug)]
pub(super) struct OpenBatch {
    encoder: BatchEncoder,
    reservation: Reservation,
    /// Where the buffer goes when the batch is done with.
    pool: Arc<BufferPool>,
    pub(super) outcome: Arc<BatchOutcome>,
    pub(super) opened_at: Instant,
    /// A caller waits for this batch: do not linger when nothing else is in flight.
    pub(super) urgent: bool,
    /// A flush waits for this batch: do not linger at all.
    pub(super) flush: bool,
}

impl OpenBatch {
    /// An empty batch that may grow to `reservation` bytes without asking for more.
    pub(super) fn new(
        partition: i32,
        reservation: Reservation,
        pool: &Arc<BufferPool>,
        opened_at: Instant,
    ) -> Self {
        let bytes = reservation.bytes();
        OpenBatch {
            encoder: BatchEncoder::with_buffer(pool.take(bytes), bytes),
            reservation,
            pool: pool.clone(),
            outcome: BatchOutcome::new(partition),
            opened_at,
            urgent: false,
            flush: false,
        }
    }

    /// Bytes of the batch as it stands, before compression.
    pub(super) fn encoded_bytes(&self) -> usize {
        self.encoder.encoded_bytes()
    }

    /// Bytes this batch has reserved; it never holds more.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.reservation.bytes()
    }

    pub(super) fn records_count(&self) -> u32 {
        self.encoder.records_count()
    }

    /// Adds buffer space that the caller reserved.
    pub(super) fn grow(&mut self, more: Reservation) {
        self.encoder.reserve(more.bytes());
        self.reservation.merge(more);
    }

    /// Appends a record that fits; returns its index in the batch.
    #[inline]
    pub(super) fn append(&mut self, record: &RecordData<'_>) -> Result<u32, ProduceError> {
        self.encoder
            .append(record)
            .map_err(|error| ProduceErrorKind::Encode(error.to_string()).into())
    }

    /// Compresses and stamps the batch: from here on its bytes do not change.
    pub(super) fn seal(
        self,
        stamp: BatchStamp,
        compression: Compression,
        level: Option<i32>,
        deadline: Instant,
    ) -> Result<SealedBatch, (Arc<BatchOutcome>, ProduceError)> {
        let record_count = self.encoder.records_count();
        let finished = match self.encoder.finish_buffers(stamp, compression, level) {
            Ok(finished) => finished,
            Err(error) => {
                let error = ProduceErrorKind::Encode(error.to_string());
                return Err((self.outcome, error.into()));
            }
        };
        if let Some(buffer) = finished.uncompressed {
            self.pool.give_back(buffer);
        }
        Ok(SealedBatch {
            serial: 0,
            ordinal: 0,
            bytes: self.pool.lend(finished.batch),
            record_count,
            outcome: self.outcome,
            deadline,
            maybe_written: true,
            _reservation: self.reservation,
        })
    }
}

/// A batch in its final bytes.
#[derive(Debug)]
pub(super) struct SealedBatch {
    /// Names the batch within its partition's window, for answers.
    pub(super) serial: u64,
    /// Counts the partition's batches in the order of their sequences.
    pub(super) ordinal: u64,
    pub(super) bytes: Bytes,
    pub(super) record_count: u32,
    pub(super) outcome: Arc<BatchOutcome>,
    pub(super) deadline: Instant,
    /// Whether a broker may hold it: until proven otherwise, once it was sent.
    pub(super) maybe_written: bool,
    /// Gives the buffer space back when the batch is done with.
    pub(super) _reservation: Reservation,
}

impl SealedBatch {
    /// Stamps the batch anew. In a copy: a socket may still read the old bytes (KAFKA-19012).
    pub(super) fn restamp(&mut self, stamp: BatchStamp) {
        let mut bytes = Vec::from(self.bytes.as_ref());
        let BatchStamp {
            producer_id,
            producer_epoch,
            base_sequence,
            ..
        } = stamp;
        patch_producer(&mut bytes, producer_id, producer_epoch, base_sequence)
            .expect("invariant: we encoded this batch");
        self.bytes = Bytes::from(bytes);
    }
}
