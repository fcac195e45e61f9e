//! The log of one partition: validated batches, in memory or in a directory.
//!
//! Owns offsets, batches, producer sequences and what survives a restart. Knows
//! no request and no connection, and not which node serves it.

mod checkpoint;
pub(crate) mod compact;
mod directory;
pub(crate) mod epochs;
mod index;
pub(crate) mod marker;
pub(crate) mod memory;
pub(crate) mod partition;
pub(crate) mod producers;
pub(crate) mod recovery;
mod replay;
pub(crate) mod rewrite;
mod segment;
mod start;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod transactions;
pub(crate) mod validate;
pub(crate) mod view;

use std::io;

use bytes::Bytes;
use milena_wire::batch::BatchHeader;

use compact::{Cleaned, Part, Progress};
use epochs::LeaderEpochs;
use producers::Producers;

pub(crate) use directory::{Flush, SegmentSettings};

/// Bytes of a batch before its leader epoch ends: what the broker rewrites
/// without touching the checksum.
pub(crate) const PATCHED_BYTES: usize = 16;

/// A run of whole batches, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Bytes as they stand in the log.
    Whole(Bytes),
    /// One batch whose first bytes are ours and whose rest is the producer's.
    Patched {
        head: [u8; PATCHED_BYTES],
        body: Bytes,
    },
}

impl Piece {
    pub(crate) fn len(&self) -> usize {
        match self {
            Piece::Whole(bytes) => bytes.len(),
            Piece::Patched { body, .. } => PATCHED_BYTES + body.len(),
        }
    }
}

/// How much a read may return.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadLimit {
    pub(crate) bytes_max: usize,
    /// The first batch may exceed `bytes_max` as long as it stays within this.
    pub(crate) first_batch_bytes_max: usize,
    /// Batches that start here or later are left out.
    pub(crate) before: i64,
}

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampedOffset {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
}

/// Why a log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error("offset {offset} is not within {start}..={end}")]
    OffsetOutOfRange { offset: i64, start: i64, end: i64 },
    #[error("the leader epoch is {current}, not {believed}")]
    OtherEpoch { believed: i32, current: i32 },
    #[error("no leader of epoch {epoch} or later is known")]
    UnknownEpoch { epoch: i32 },
    #[error("{action}: {source}")]
    Storage {
        action: &'static str,
        source: io::Error,
    },
    #[error("the stored batch at offset {offset} is damaged: {reason}")]
    Damaged { offset: i64, reason: String },
}

/// A batch as the log takes it: validated, with the header it will be stored with.
#[derive(Debug, Clone)]
pub(crate) struct StampedBatch {
    /// Base offset and leader epoch already assigned.
    pub(crate) header: BatchHeader,
    /// The batch as the producer sent it: its first [`PATCHED_BYTES`] are superseded.
    pub(crate) bytes: Bytes,
}

impl StampedBatch {
    /// The bytes that replace the first ones of the batch.
    pub(crate) fn head(&self) -> [u8; PATCHED_BYTES] {
        let mut head = [0; PATCHED_BYTES];
        head[0..8].copy_from_slice(&self.header.base_offset.to_be_bytes());
        head[8..12].copy_from_slice(&self.header.batch_length.to_be_bytes());
        head[12..16].copy_from_slice(&self.header.partition_leader_epoch.to_be_bytes());
        head
    }

    pub(crate) fn body(&self) -> Bytes {
        self.bytes.slice(PATCHED_BYTES..)
    }
}

/// How much a flush does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlushDepth {
    /// The records are safe; recovery still has to check them.
    Records,
    /// Recovery can start behind them.
    Checkpoint,
}

/// Where batches are kept.
pub(crate) trait BatchStore: Send {
    /// Follows a change of the topic's configuration.
    fn configure(&mut self, settings: SegmentSettings);
    /// The first offset that can be read.
    fn start_offset(&self) -> i64;
    /// The offset the next record gets.
    fn next_offset(&self) -> i64;
    /// Stores a batch whose base offset is [`BatchStore::next_offset`].
    fn append(&mut self, batch: &StampedBatch) -> Result<(), LogError>;
    /// Whole batches from the one that holds `offset` on; empty at the end of the log.
    fn read(&self, offset: i64, limit: ReadLimit) -> Result<Vec<Piece>, LogError>;
    /// The earliest record that is not older than `timestamp`.
    fn find_timestamp(&self, timestamp: i64) -> Result<Option<TimestampedOffset>, LogError>;
    /// The newest timestamp and the first record that has it.
    fn newest_timestamp(&self) -> Result<Option<TimestampedOffset>, LogError>;
    /// Drops whole old parts: what is older than `before_ms`, and what exceeds
    /// `bytes_max` (either may be absent). Returns whether the start moved.
    fn retain(&mut self, before_ms: Option<i64>, bytes_max: Option<u64>) -> Result<bool, LogError>;
    /// Has the log start at `offset`, which lies within it.
    fn delete_before(&mut self, offset: i64) -> Result<(), LogError>;
    /// Drops every batch with records at `offset` or behind it; the log ends with the one in front.
    fn truncate(&mut self, offset: i64) -> Result<(), LogError>;
    /// What no longer grows, oldest first, as it is now.
    fn sealed(&self) -> Vec<Part>;
    /// Up to where the log was compacted.
    fn progress(&self) -> Progress;
    /// Puts what is left of a part in its place, unless the part is gone by now.
    fn replace(&mut self, part: &Part, cleaned: Cleaned) -> Result<(), LogError>;
    /// Remembers that what is before `until` was compacted.
    fn passed(&mut self, until: i64, at_ms: i64) -> Result<(), LogError>;
    /// How much space the batches take.
    fn bytes(&self) -> u64;
    /// Collects what has to be written to disk so that everything appended so far
    /// survives a loss of power; `None` where nothing ever does.
    fn begin_flush(
        &mut self,
        depth: FlushDepth,
        producers: &Producers,
        epochs: &LeaderEpochs,
    ) -> Option<Flush>;
    /// Says that it has been written.
    fn end_flush(&mut self, flush: &Flush);
}
