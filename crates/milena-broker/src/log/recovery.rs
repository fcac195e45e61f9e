//! From a directory to a log, after a clean stop or a crash.
//!
//! What lies before the checkpoint was on disk and checked: there only headers are
//! looked at. What lies behind is checked batch by batch; the first one that is cut
//! off or damaged ends the log. The producers are those of the checkpoint plus
//! every batch behind it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use milena_wire::batch::BatchHeader;

use super::BatchStore;
use super::checkpoint::Checkpoint;
use super::compact;
use super::directory::{DirectoryLog, SegmentSettings};
use super::epochs::LeaderEpochs;
use super::marker;
use super::producers::{Producers, Sequenced};
use super::segment::{Segment, Trust};
use super::start;

/// Opens the log in `directory`, which is created if it does not exist.
pub(crate) fn open(
    directory: &Path,
    settings: SegmentSettings,
    now_ms: i64,
) -> io::Result<(DirectoryLog, Producers, LeaderEpochs)> {
    fs::create_dir_all(directory)?;
    let found = list_segments(directory)?;
    let checkpoint = Checkpoint::load(directory)?.filter(|checkpoint| fits(checkpoint, &found));
    let mut recovery = Recovery {
        settings,
        now_ms,
        producers: checkpoint
            .as_ref()
            .map(|one| one.producers.clone())
            .unwrap_or_default(),
        epochs: LeaderEpochs::restore(
            checkpoint
                .as_ref()
                .map(|one| one.epochs.clone())
                .unwrap_or_default(),
        ),
        checkpoint,
        next_offset: found.first().map_or(0, |(base_offset, _)| *base_offset),
    };
    let mut segments = Vec::new();
    let mut found = found.into_iter();
    for (base_offset, path) in found.by_ref() {
        let (segment, is_whole) = recovery.segment(base_offset, path)?;
        segments.push(segment);
        if !is_whole {
            break;
        }
    }
    set_aside(found)?;
    let next_offset = recovery.next_offset;
    if segments.is_empty() {
        segments.push(Segment::create(directory, next_offset)?);
    }
    let start_offset = start::load(directory)?;
    let directory = directory.to_owned();
    let progress = compact::load(&directory)?;
    let log = DirectoryLog::new(
        directory,
        settings,
        segments,
        progress,
        start_offset,
        next_offset,
    );
    tracing::debug!(
        event = "log_opened",
        directory = %log.directory().display(),
        start_offset = log.start_offset(),
        next_offset,
    );
    Ok((log, recovery.producers, recovery.epochs))
}

struct Recovery {
    settings: SegmentSettings,
    now_ms: i64,
    checkpoint: Option<Checkpoint>,
    producers: Producers,
    epochs: LeaderEpochs,
    next_offset: i64,
}

impl Recovery {
    /// Opens one segment; says whether the log can go on behind it.
    fn segment(&mut self, base_offset: i64, path: PathBuf) -> io::Result<(Segment, bool)> {
        let checked = self.checked_bytes(base_offset);
        let mut segment = Segment::open(path, base_offset, checked)?;
        let checked = checked.min(segment.bytes);
        let start = segment.index.last().map_or(0, |entry| entry.position);
        let mut headers = Vec::new();
        let known = segment.walk(
            start,
            checked,
            Trust::Checked,
            None,
            |header, position, _| {
                headers.push((*header, position));
            },
        )?;
        if known == checked {
            for (header, position) in headers {
                self.next_offset = header.next_offset();
                segment.note(&header, position, self.settings.index_interval_bytes);
            }
        }
        // If even the headers do not add up, nothing of the segment is taken on trust.
        let from = if known == checked {
            checked
        } else {
            segment.forget_index()?;
            0
        };
        let mut appended = Vec::new();
        let expected = Some(self.next_offset.max(base_offset));
        let expected = if from == 0 {
            Some(base_offset)
        } else {
            expected
        };
        let end = segment.walk(
            from,
            segment.bytes,
            Trust::Unchecked,
            expected,
            |header, position, bytes| {
                appended.push((*header, position));
                note_producer(&mut self.producers, header, bytes, self.now_ms);
                self.epochs
                    .note(header.partition_leader_epoch, header.base_offset);
            },
        )?;
        for (header, position) in appended {
            self.next_offset = header.next_offset();
            segment.note(&header, position, self.settings.index_interval_bytes);
        }
        self.next_offset = self.next_offset.max(base_offset);
        let is_whole = end == segment.bytes;
        if !is_whole {
            tracing::warn!(
                event = "log_truncated",
                path = %segment.path.display(),
                bytes = segment.bytes - end,
                next_offset = self.next_offset,
            );
            segment.truncate(end)?;
        }
        Ok((segment, is_whole))
    }

    /// How many bytes at the front of a segment lie before the checkpoint.
    fn checked_bytes(&self, base_offset: i64) -> u64 {
        match &self.checkpoint {
            Some(checkpoint) if base_offset < checkpoint.segment => u64::MAX,
            Some(checkpoint) if base_offset == checkpoint.segment => checkpoint.position,
            _ => 0,
        }
    }
}

/// Takes one batch into what is known of its producer.
pub(super) fn note_producer(
    producers: &mut Producers,
    header: &BatchHeader,
    bytes: &[u8],
    now_ms: i64,
) {
    if let Some(sequenced) = Sequenced::of(header) {
        producers.appended(sequenced, header.base_offset, now_ms);
    } else if let Some(marker) = marker::read(header, bytes, now_ms) {
        producers.marked(marker);
    }
}

/// A checkpoint is worth nothing without the segment it lies in.
fn fits(checkpoint: &Checkpoint, segments: &[(i64, PathBuf)]) -> bool {
    segments.iter().any(|(base_offset, path)| {
        *base_offset == checkpoint.segment
            && fs::metadata(path).is_ok_and(|file| file.len() >= checkpoint.position)
    })
}

fn list_segments(directory: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|extension| extension == "log");
        let base_offset = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<i64>().ok());
        if is_segment && let Some(base_offset) = base_offset {
            segments.push((base_offset, path));
        }
    }
    segments.sort();
    Ok(segments)
}

/// Segments behind a damaged one cannot be served without a gap. They are renamed,
/// not deleted: someone may want to look at them.
fn set_aside(segments: impl Iterator<Item = (i64, PathBuf)>) -> io::Result<()> {
    for (_, path) in segments {
        let aside = path.with_extension("log.orphaned");
        tracing::error!(event = "segment_orphaned", path = %aside.display());
        fs::rename(&path, &aside)?;
        let _ = fs::remove_file(path.with_extension("index"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
