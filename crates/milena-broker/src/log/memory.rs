//! A log in memory: batches as they arrived, by reference.
//!
//! Owns the list of batches. Nothing here outlives the process.

use std::collections::VecDeque;

use bytes::Bytes;
use milena_wire::batch::{BatchHeader, RawBatch};

use super::compact::{Cleaned, Content, Part, PartSize, Progress};
use super::epochs::LeaderEpochs;
use super::producers::Producers;
use super::{
    BatchStore, Flush, FlushDepth, LogError, PATCHED_BYTES, Piece, ReadLimit, SegmentSettings,
    StampedBatch, TimestampedOffset,
};
use crate::limits;
use crate::log::validate;

/// The batches of one partition.
#[derive(Debug, Default)]
pub(crate) struct MemoryLog {
    batches: VecDeque<StoredBatch>,
    start_offset: i64,
    next_offset: i64,
    bytes: u64,
    settings: Option<SegmentSettings>,
    active: Active,
    progress: Progress,
}

/// The last part, as a log in a directory would have it in a segment: it is not compacted.
#[derive(Debug, Default)]
struct Active {
    base_offset: i64,
    bytes: u64,
    first_timestamp: i64,
}

#[derive(Debug)]
struct StoredBatch {
    head: [u8; PATCHED_BYTES],
    body: Bytes,
    last_offset: i64,
    max_timestamp: i64,
}

impl StoredBatch {
    fn of(batch: &RawBatch) -> Option<StoredBatch> {
        let bytes = batch.bytes();
        Some(StoredBatch {
            head: *bytes.first_chunk()?,
            body: bytes.slice(PATCHED_BYTES..),
            last_offset: batch.header.last_offset(),
            max_timestamp: batch.header.max_timestamp,
        })
    }

    fn len(&self) -> usize {
        PATCHED_BYTES + self.body.len()
    }

    fn piece(&self) -> Piece {
        Piece::Patched {
            head: self.head,
            body: self.body.clone(),
        }
    }

    fn base_offset(&self) -> i64 {
        let offset = self.head.first_chunk();
        offset.map_or(0, |bytes| i64::from_be_bytes(*bytes))
    }

    /// The whole batch in one buffer; for looking inside, which is rare.
    fn whole(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.len());
        bytes.extend_from_slice(&self.head);
        bytes.extend_from_slice(&self.body);
        Bytes::from(bytes)
    }
}

impl MemoryLog {
    pub(crate) fn new(settings: SegmentSettings) -> Self {
        MemoryLog {
            settings: Some(settings),
            ..MemoryLog::default()
        }
    }

    /// The position of the batch that holds `offset` or, failing that, follows it.
    fn position(&self, offset: i64) -> usize {
        self.batches
            .partition_point(|batch| batch.last_offset < offset)
    }

    fn roll_if_due(&mut self, batch: &BatchHeader) {
        let is_due = self.settings.is_some_and(|settings| {
            let bytes = self.active.bytes + batch.total_bytes() as u64;
            let span_ms = batch
                .max_timestamp
                .saturating_sub(self.active.first_timestamp);
            bytes > settings.segment_bytes || span_ms > settings.segment_ms
        });
        if self.active.bytes == 0 || is_due {
            self.active = Active {
                base_offset: batch.base_offset,
                bytes: 0,
                first_timestamp: batch.max_timestamp,
            };
        }
    }

    fn drop_first(&mut self) {
        if let Some(batch) = self.batches.pop_front() {
            self.bytes -= batch.len() as u64;
            self.start_offset = batch.last_offset + 1;
        }
    }
}

impl BatchStore for MemoryLog {
    fn configure(&mut self, settings: SegmentSettings) {
        self.settings = Some(settings);
    }

    fn start_offset(&self) -> i64 {
        self.start_offset
    }

    fn next_offset(&self) -> i64 {
        self.next_offset
    }

    fn append(&mut self, batch: &StampedBatch) -> Result<(), LogError> {
        let mut body = batch.body();
        if body.len() < limits::SHARED_BYTES_MIN {
            // A small batch must not keep the whole read buffer alive.
            body = Bytes::copy_from_slice(&body);
        }
        let stored = StoredBatch {
            head: batch.head(),
            body,
            last_offset: batch.header.last_offset(),
            max_timestamp: batch.header.max_timestamp,
        };
        self.roll_if_due(&batch.header);
        self.active.bytes += stored.len() as u64;
        self.bytes += stored.len() as u64;
        self.next_offset = stored.last_offset + 1;
        self.batches.push_back(stored);
        Ok(())
    }

    fn read(&self, offset: i64, limit: ReadLimit) -> Result<Vec<Piece>, LogError> {
        let mut pieces = Vec::new();
        let mut bytes = 0;
        for batch in self.batches.range(self.position(offset)..) {
            let fits = if pieces.is_empty() {
                batch.len() <= limit.first_batch_bytes_max.max(limit.bytes_max)
            } else {
                bytes + batch.len() <= limit.bytes_max
            };
            // Bounds lie between batches.
            if !fits || batch.last_offset >= limit.before {
                break;
            }
            bytes += batch.len();
            pieces.push(batch.piece());
        }
        Ok(pieces)
    }

    fn find_timestamp(&self, timestamp: i64) -> Result<Option<TimestampedOffset>, LogError> {
        for batch in self
            .batches
            .iter()
            .filter(|batch| batch.max_timestamp >= timestamp)
        {
            let found = validate::first_at_or_after(self.start_offset, batch.whole(), timestamp)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn newest_timestamp(&self) -> Result<Option<TimestampedOffset>, LogError> {
        let Some(newest) = self.batches.iter().map(|batch| batch.max_timestamp).max() else {
            return Ok(None);
        };
        self.find_timestamp(newest)
    }

    fn retain(&mut self, before_ms: Option<i64>, bytes_max: Option<u64>) -> Result<bool, LogError> {
        let start_offset = self.start_offset;
        while let Some(first) = self.batches.front() {
            let too_old = before_ms.is_some_and(|limit| first.max_timestamp < limit);
            let too_much = bytes_max.is_some_and(|limit| self.bytes - first.len() as u64 >= limit);
            if !too_old && !too_much {
                break;
            }
            self.drop_first();
        }
        Ok(self.start_offset != start_offset)
    }

    fn delete_before(&mut self, offset: i64) -> Result<(), LogError> {
        while self
            .batches
            .front()
            .is_some_and(|first| first.last_offset < offset)
        {
            self.drop_first();
        }
        self.start_offset = self.start_offset.max(offset);
        Ok(())
    }

    fn truncate(&mut self, offset: i64) -> Result<(), LogError> {
        self.next_offset = self.next_offset.min(offset);
        while let Some(last) = self.batches.back()
            && last.last_offset >= offset
        {
            self.bytes -= last.len() as u64;
            self.next_offset = self.next_offset.min(last.base_offset());
            self.batches.pop_back();
        }
        // The next batch begins a part of its own.
        self.active = Active {
            base_offset: self.active.base_offset.min(self.next_offset),
            ..Active::default()
        };
        self.progress.truncate(self.next_offset);
        Ok(())
    }

    fn sealed(&self) -> Vec<Part> {
        let sealed = self.batches.iter();
        let sealed = sealed.take_while(|batch| batch.last_offset < self.active.base_offset);
        let (mut batches, mut bytes, mut newest) = (Vec::new(), 0, i64::MIN);
        for batch in sealed {
            bytes += batch.len() as u64;
            newest = newest.max(batch.max_timestamp);
            batches.extend(RawBatch::parse(batch.whole()));
        }
        if batches.is_empty() {
            return Vec::new();
        }
        vec![Part {
            base_offset: self.start_offset,
            size: PartSize {
                end_offset: self.active.base_offset,
                bytes,
                newest_timestamp: newest,
            },
            content: Content::Batches(batches),
        }]
    }

    fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn replace(&mut self, part: &Part, cleaned: Cleaned) -> Result<(), LogError> {
        let Cleaned::Batches(cleaned) = cleaned else {
            return Ok(());
        };
        let end_offset = part.size.end_offset;
        let kept = self.batches.split_off(self.position(end_offset));
        // What was deleted meanwhile stays deleted.
        let cleaned = cleaned
            .iter()
            .filter(|batch| batch.header.last_offset() >= self.start_offset);
        self.batches = cleaned.filter_map(StoredBatch::of).collect();
        self.batches.extend(kept);
        self.bytes = self.batches.iter().map(|batch| batch.len() as u64).sum();
        Ok(())
    }

    fn passed(&mut self, until: i64, at_ms: i64) -> Result<(), LogError> {
        self.progress.passed(until, at_ms);
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn begin_flush(&mut self, _: FlushDepth, _: &Producers, _: &LeaderEpochs) -> Option<Flush> {
        None
    }

    fn end_flush(&mut self, _: &Flush) {}
}

#[cfg(test)]
mod tests;
