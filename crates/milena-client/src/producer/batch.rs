//! A batch's life: open while records are appended, sealed once it is stamped for the wire.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use milena_wire::batch::{
    BatchEncoder, BatchError, BatchStamp, Header, RawBatch, RecordData, RecordView, patch_producer,
};
use milena_wire::compression::Compression;
use milena_wire::limits::DECOMPRESSED_BYTES_MAX;

use super::budget::Reservation;
use super::delivery::{BatchOutcome, BatchResult, Held, Part};
use super::error::{ProduceError, ProduceErrorKind};
use super::sequence::Sequence;
use super::sink::Kept;
use crate::buffer_pool::BufferPool;

/// Records of one partition, in wire form, still growing.
#[derive(Debug)]
pub(super) struct OpenBatch {
    encoder: BatchEncoder,
    reservation: Reservation,
    /// Where the buffer goes when the batch is done with.
    pool: Arc<BufferPool>,
    pub(super) outcome: Arc<BatchOutcome>,
    /// What is kept of its records for sinks.
    pub(super) kept: Option<Kept>,
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
            kept: None,
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
        mut self,
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
                return Err((self.leave(), error.into()));
            }
        };
        if let Some(buffer) = finished.uncompressed {
            self.pool.give_back(buffer);
        }
        let bytes = self.pool.lend(finished.batch);
        let reservation = Arc::new(self.reservation);
        self.outcome.hold(Held {
            space: reservation.clone(),
            bytes: self.kept.is_some().then(|| bytes.clone()),
            kept: self.kept,
        });
        Ok(SealedBatch {
            serial: 0,
            ordinal: 0,
            bytes,
            record_count,
            outcome: self.outcome,
            first_index: 0,
            deadline,
            maybe_written: true,
            reservation,
        })
    }

    /// Tells those who wait for the records that none of them is sent.
    pub(super) fn fail(self, error: ProduceError) {
        self.leave().complete(Err(error));
    }

    /// Leaves the records to those who hear of them, as they are not sent.
    fn leave(mut self) -> Arc<BatchOutcome> {
        let bytes = self.kept.is_some().then(|| {
            let encoder = &mut self.encoder;
            encoder.finish_buffers(BatchStamp::NONE, Compression::None, None)
        });
        self.outcome.hold(Held {
            space: Arc::new(self.reservation),
            kept: self.kept,
            // Those who ask for the records are told when there are none.
            bytes: bytes.and_then(|finished| Some(Bytes::from(finished.ok()?.batch))),
        });
        self.outcome
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
    outcome: Arc<BatchOutcome>,
    /// The first record's index among those of the outcome: 0 unless the batch was split.
    first_index: u32,
    pub(super) deadline: Instant,
    /// Whether a broker may hold it: until proven otherwise, once it was sent.
    pub(super) maybe_written: bool,
    /// Gives the buffer space back when the batch is done with, all of its pieces, and those who
    /// hear of its records have heard.
    reservation: Arc<Reservation>,
}

impl SealedBatch {
    /// Tells those who wait for the records what became of them.
    pub(super) fn complete(&self, result: BatchResult) {
        self.outcome.complete_piece(self.first_index, result);
    }

    /// Rejects the records, each with an error of its own where there is one; `errors` are in the
    /// order of their indices.
    pub(super) fn reject(&self, error: &ProduceError, errors: &[(u32, ProduceError)]) {
        if errors.is_empty() || self.outcome.is_split() {
            return self.complete(Err(error.clone()));
        }
        let mut parts = Vec::with_capacity(2 * errors.len() + 1);
        let mut next_index = 0;
        for (index, own) in errors {
            if *index > next_index {
                parts.push(part(next_index, error));
            }
            parts.push(part(*index, own));
            next_index = index + 1;
        }
        if next_index < self.record_count {
            parts.push(part(next_index, error));
        }
        self.outcome.complete_parts(parts);
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_complete(&self) -> bool {
        self.outcome.is_piece_complete(self.first_index)
    }

    pub(super) fn outcome(&self) -> &Arc<BatchOutcome> {
        &self.outcome
    }

    /// The same records as two batches, under the same producer and the same sequence numbers.
    ///
    /// # Errors
    /// Of one record there is no half; the error is that of the codec.
    pub(super) fn split(&self, level: Option<i32>) -> Result<[SealedBatch; 2], String> {
        let raw = RawBatch::parse(self.bytes.clone()).map_err(|error| error.to_string())?;
        let batch = raw.open(DECOMPRESSED_BYTES_MAX);
        let batch = batch.map_err(|error| error.to_string())?;
        let first_count = self.record_count / 2;
        let stamp = |base_sequence| BatchStamp {
            producer_id: raw.header.producer_id,
            producer_epoch: raw.header.producer_epoch,
            base_sequence,
            is_transactional: raw.header.attributes.is_transactional(),
        };
        let compression = raw.header.attributes.compression();
        let compression = compression.map_err(|error| error.to_string())?;
        let first_sequence = raw.header.base_sequence;
        let second_sequence = match first_sequence {
            none @ ..0 => none,
            first => Sequence(first).advanced(first_count).0,
        };
        let mut records = batch.records();
        let mut half = |count: u32, stamp: BatchStamp, first_index: u32| {
            let bytes = encode(
                records.by_ref().take(count as usize),
                stamp,
                compression,
                level,
            );
            bytes.map(|bytes| SealedBatch {
                serial: 0,
                ordinal: self.ordinal,
                bytes,
                record_count: count,
                outcome: self.outcome.clone(),
                first_index,
                deadline: self.deadline,
                maybe_written: false,
                reservation: self.reservation.clone(),
            })
        };
        let first = half(first_count, stamp(first_sequence), self.first_index)?;
        let second_count = self.record_count - first_count;
        let second_index = self.first_index + first_count;
        let second = half(second_count, stamp(second_sequence), second_index)?;
        self.outcome.add_piece();
        Ok([first, second])
    }

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

fn part(first_index: u32, error: &ProduceError) -> Part {
    Part {
        first_index,
        result: Err(error.clone()),
    }
}

/// A batch of `records`.
fn encode<'a>(
    records: impl Iterator<Item = Result<RecordView<'a>, BatchError>>,
    stamp: BatchStamp,
    compression: Compression,
    level: Option<i32>,
) -> Result<Bytes, String> {
    let text = |error: BatchError| error.to_string();
    let mut encoder = BatchEncoder::with_capacity(0);
    for record in records {
        let record = record.map_err(text)?;
        let mut headers = Vec::with_capacity(record.headers.len());
        for header in record.headers {
            let key = std::str::from_utf8(header.key).map_err(|error| error.to_string())?;
            let value = header.value;
            headers.push(Header { key, value });
        }
        let data = RecordData {
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: &headers,
        };
        encoder.append(&data).map_err(text)?;
    }
    encoder.finish(stamp, compression, level).map_err(text)
}

#[cfg(test)]
mod tests;
