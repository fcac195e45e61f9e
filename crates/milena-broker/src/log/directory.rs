//! A log in a directory: segments, the last of which grows.
//!
//! Owns rolling, reading across segments, retention, and what has to be flushed.
//! How a directory becomes a log again after a crash is in [`super::recovery`].

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use milena_wire::batch::BatchHeader;

use super::checkpoint::Checkpoint;
use super::compact::{self, Cleaned, Content, Part, PartSize, Progress};
use super::epochs::LeaderEpochs;
use super::producers::Producers;
use super::segment::Segment;
use super::{
    BatchStore, FlushDepth, LogError, Piece, ReadLimit, StampedBatch, TimestampedOffset, index,
    start, validate,
};
use crate::config::topic::TopicConfig;

/// What a log in a directory is configured with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentSettings {
    pub(crate) segment_bytes: u64,
    /// How much time the records of one segment may span.
    pub(crate) segment_ms: i64,
    pub(crate) index_interval_bytes: u64,
}

impl SegmentSettings {
    pub(crate) fn of(config: &TopicConfig) -> Self {
        SegmentSettings {
            segment_bytes: config.segment_bytes,
            segment_ms: config.segment_ms,
            index_interval_bytes: config.index_interval_bytes,
        }
    }
}

/// The segments of one partition.
#[derive(Debug)]
pub(crate) struct DirectoryLog {
    directory: PathBuf,
    settings: SegmentSettings,
    /// In the order of their offsets; never empty.
    segments: Vec<Segment>,
    /// Records before it were deleted, even if their segment is still there.
    start_offset: i64,
    next_offset: i64,
    progress: Progress,
    /// Base offset of the first segment with bytes that may not be on disk.
    unflushed_from: i64,
}

/// Everything it takes to flush a log without holding its lock.
#[derive(Debug)]
pub(crate) struct Flush {
    directory: PathBuf,
    files: Vec<Arc<File>>,
    /// Index files and what is to be appended to them.
    indexes: Vec<(PathBuf, Vec<u8>)>,
    /// Base offset of the segment that was active.
    active: i64,
    checkpoint: Option<Checkpoint>,
}

impl Flush {
    /// Brings it to disk; then, and only then, writes the checkpoint if there is one.
    pub(crate) fn run(&self) -> io::Result<()> {
        for file in &self.files {
            file.sync_data()?;
        }
        for (path, entries) in &self.indexes {
            index::append(path, entries)?;
        }
        match &self.checkpoint {
            Some(checkpoint) => checkpoint.save(&self.directory),
            None => Ok(()),
        }
    }
}

impl DirectoryLog {
    pub(super) fn new(
        directory: PathBuf,
        settings: SegmentSettings,
        segments: Vec<Segment>,
        progress: Progress,
        start_offset: i64,
        next_offset: i64,
    ) -> Self {
        let unflushed_from = segments.first().map_or(0, |segment| segment.base_offset);
        DirectoryLog {
            directory,
            settings,
            segments,
            progress,
            start_offset: start_offset.min(next_offset),
            next_offset,
            unflushed_from,
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The segment that holds `offset`, or the last one before it.
    fn segment_of(&self, offset: i64) -> usize {
        let after = self
            .segments
            .partition_point(|segment| segment.base_offset <= offset);
        after.saturating_sub(1)
    }

    fn roll_if_due(&mut self, batch: &BatchHeader) -> io::Result<()> {
        let is_due = match self.segments.last() {
            None => true,
            Some(active) if active.bytes == 0 => false,
            Some(active) => {
                let bytes = active.bytes + batch.total_bytes() as u64;
                let span_ms = batch
                    .max_timestamp
                    .saturating_sub(active.first_timestamp()?);
                bytes > self.settings.segment_bytes || span_ms > self.settings.segment_ms
            }
        };
        if is_due {
            self.segments
                .push(Segment::create(&self.directory, self.next_offset)?);
        }
        Ok(())
    }

    fn append_batch(&mut self, batch: &StampedBatch) -> io::Result<()> {
        self.roll_if_due(&batch.header)?;
        let interval = self.settings.index_interval_bytes;
        let active = self.segments.last_mut().ok_or(io::ErrorKind::NotFound)?;
        active.append(batch, interval)?;
        self.next_offset = batch.header.next_offset();
        Ok(())
    }

    fn first_at_or_after(&self, timestamp: i64) -> Result<Option<TimestampedOffset>, LogError> {
        let start = self.start_offset();
        for segment in self
            .segments
            .iter()
            .filter(|one| one.newest_timestamp >= timestamp)
        {
            let found = segment.search_time(timestamp, |_, bytes| {
                validate::first_at_or_after(start, bytes, timestamp)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
            });
            let found = found.map_err(failed("search"))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn remove_first(&mut self) -> io::Result<()> {
        self.segments.remove(0).delete()
    }

    /// Drops the batches with records at `offset` or behind it.
    fn cut(&mut self, offset: i64) -> io::Result<()> {
        // A checkpoint of what is gone must not be believed.
        Checkpoint::remove(&self.directory)?;
        self.next_offset = self.next_offset.min(offset);
        while self.segments.len() > 1
            && let Some(last) = self.segments.pop_if(|last| last.base_offset >= offset)
        {
            last.delete()?;
        }
        if let Some(last) = self.segments.last_mut() {
            let end = last.cut(offset, self.settings.index_interval_bytes)?;
            self.next_offset = self.next_offset.min(end);
            self.unflushed_from = self.unflushed_from.min(last.base_offset);
        }
        self.progress.truncate(self.next_offset);
        Ok(())
    }
}

impl BatchStore for DirectoryLog {
    fn configure(&mut self, settings: SegmentSettings) {
        self.settings = settings;
    }

    fn start_offset(&self) -> i64 {
        let first = self.segments.first();
        let first = first.map_or(self.next_offset, |segment| segment.base_offset);
        first.max(self.start_offset)
    }

    fn next_offset(&self) -> i64 {
        self.next_offset
    }

    fn append(&mut self, batch: &StampedBatch) -> Result<(), LogError> {
        self.append_batch(batch).map_err(failed("append"))
    }

    fn read(&self, offset: i64, limit: ReadLimit) -> Result<Vec<Piece>, LogError> {
        // One segment at a time; the next fetch goes on in the next one.
        for segment in self.segments.iter().skip(self.segment_of(offset)) {
            let bytes = segment.read(offset, limit).map_err(failed("read"))?;
            if !bytes.is_empty() {
                return Ok(vec![Piece::Whole(bytes)]);
            }
        }
        Ok(Vec::new())
    }

    fn find_timestamp(&self, timestamp: i64) -> Result<Option<TimestampedOffset>, LogError> {
        self.first_at_or_after(timestamp)
    }

    fn newest_timestamp(&self) -> Result<Option<TimestampedOffset>, LogError> {
        let newest = self
            .segments
            .iter()
            .map(|segment| segment.newest_timestamp)
            .max();
        match newest {
            Some(newest) if newest > i64::MIN => self.first_at_or_after(newest),
            _ => Ok(None),
        }
    }

    fn retain(&mut self, before_ms: Option<i64>, bytes_max: Option<u64>) -> Result<bool, LogError> {
        let start_offset = self.start_offset();
        let mut total: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        while let Some(first) = self.segments.first() {
            let bytes = first.bytes;
            let too_old = before_ms.is_some_and(|limit| first.newest_timestamp < limit);
            let too_much = bytes_max.is_some_and(|limit| total - bytes >= limit);
            let is_only = self.segments.len() == 1;
            if (bytes == 0 && is_only) || !(too_old || too_much) {
                break;
            }
            if self.segments.len() == 1 {
                // Even the active segment goes, but there must always be one.
                let next = Segment::create(&self.directory, self.next_offset);
                self.segments.push(next.map_err(failed("roll"))?);
            }
            self.remove_first().map_err(failed("delete"))?;
            total -= bytes;
        }
        Ok(self.start_offset() != start_offset)
    }

    fn delete_before(&mut self, offset: i64) -> Result<(), LogError> {
        start::save(&self.directory, offset).map_err(failed("write the start of"))?;
        self.start_offset = offset;
        while self
            .segments
            .get(1)
            .is_some_and(|second| second.base_offset <= offset)
        {
            self.remove_first().map_err(failed("delete"))?;
        }
        Ok(())
    }

    fn truncate(&mut self, offset: i64) -> Result<(), LogError> {
        self.cut(offset).map_err(failed("truncate"))
    }

    fn sealed(&self) -> Vec<Part> {
        let next = self.segments.iter().skip(1);
        let sealed = self.segments.iter().zip(next);
        let parts = sealed.map(|(segment, next)| Part {
            base_offset: segment.base_offset,
            size: PartSize {
                end_offset: next.base_offset,
                bytes: segment.bytes,
                newest_timestamp: segment.newest_timestamp,
            },
            content: Content::File {
                file: segment.file.clone(),
                path: segment.path.clone(),
            },
        });
        parts.collect()
    }

    fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn replace(&mut self, part: &Part, cleaned: Cleaned) -> Result<(), LogError> {
        let (Content::File { file, .. }, Cleaned::File(cleaned)) = (&part.content, cleaned) else {
            return Ok(());
        };
        let is_it = |segment: &&mut Segment| Arc::ptr_eq(&segment.file, file);
        let Some(segment) = self.segments.iter_mut().find(is_it) else {
            // Deleted meanwhile.
            let _ = std::fs::remove_file(cleaned);
            return Ok(());
        };
        let interval = self.settings.index_interval_bytes;
        segment
            .replace(&cleaned, interval)
            .map_err(failed("compact"))
    }

    fn passed(&mut self, until: i64, at_ms: i64) -> Result<(), LogError> {
        self.progress.passed(until, at_ms);
        compact::save(&self.directory, &self.progress).map_err(failed("write the progress of"))
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn begin_flush(
        &mut self,
        depth: FlushDepth,
        producers: &Producers,
        epochs: &LeaderEpochs,
    ) -> Option<Flush> {
        let with_checkpoint = depth == FlushDepth::Checkpoint;
        let from = self.unflushed_from;
        let mut files = Vec::new();
        let mut indexes = Vec::new();
        for segment in &mut self.segments {
            if segment.base_offset >= from {
                files.push(segment.file.clone());
            }
            if with_checkpoint {
                indexes.push((segment.index_path(), segment.index.take_unsaved()));
            }
        }
        let active = self.segments.last()?;
        Some(Flush {
            directory: self.directory.clone(),
            files,
            indexes,
            active: active.base_offset,
            checkpoint: with_checkpoint.then(|| Checkpoint {
                segment: active.base_offset,
                position: active.bytes,
                next_offset: self.next_offset,
                producers: producers.clone(),
                epochs: epochs.starts().to_vec(),
            }),
        })
    }

    fn end_flush(&mut self, flush: &Flush) {
        self.unflushed_from = self.unflushed_from.max(flush.active);
    }
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> LogError {
    move |source| LogError::Storage { action, source }
}
