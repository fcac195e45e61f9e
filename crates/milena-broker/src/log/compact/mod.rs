//! Compaction: of each key only the last record stays, at its offset.
//!
//! Owns when a log is due, which records stay, and the memory of former passes. Plain functions and data:
//! where batches come from and go to is the business of [`super::partition`] and the stores.
//!
//! Records of transactions, markers, and records without a key are left alone: they neither go nor push
//! others out.

mod part;
mod pass;
mod progress;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use milena_wire::batch::{Batch, BatchError, RawBatch, TimestampType};
use milena_wire::compression::Compression;
use milena_wire::varint;

use super::rewrite;
use crate::config::topic::TopicConfig;
use crate::limits;
use crate::storage::codec::{self, FileContent};

pub(crate) use part::{Cleaned, Content, Part};
pub(crate) use progress::Progress;

/// Where the progress of a log is kept.
fn path_in(directory: &Path) -> PathBuf {
    directory.join("compaction")
}

pub(super) fn save(directory: &Path, progress: &Progress) -> io::Result<()> {
    codec::write_file(&path_in(directory), &progress.encode())
}

/// Without it, or with a damaged one, everything is compacted anew.
pub(super) fn load(directory: &Path) -> io::Result<Progress> {
    let progress = match codec::read_file(&path_in(directory))? {
        FileContent::Payload(payload) => Progress::decode(&payload),
        FileContent::Missing | FileContent::Damaged => None,
    };
    Ok(progress.unwrap_or_default())
}

/// What is to be known of a part of a log that no longer grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartSize {
    /// The offset behind it.
    pub(crate) end_offset: i64,
    pub(crate) bytes: u64,
    pub(crate) newest_timestamp: i64,
}

/// How many of the parts, oldest first, are to be compacted now; `None` if it is not worth it.
pub(crate) fn due(
    parts: &[PartSize],
    clean_until: i64,
    config: &TopicConfig,
    now_ms: i64,
) -> Option<usize> {
    let is_old_enough = |part: &&PartSize| {
        let age_ms = now_ms.saturating_sub(part.newest_timestamp);
        config.compaction_lag_min_ms == 0 || age_ms >= config.compaction_lag_min_ms
    };
    let count = parts.iter().take_while(is_old_enough).count();
    let parts = parts.get(..count)?;
    let is_dirty = |part: &&PartSize| part.end_offset > clean_until && part.bytes > 0;
    let dirty: u64 = parts.iter().filter(is_dirty).map(|part| part.bytes).sum();
    let total: u64 = parts.iter().map(|part| part.bytes).sum();
    if dirty == 0 {
        return None;
    }
    let oldest = parts.iter().find(is_dirty);
    let is_overdue = oldest.is_some_and(|part| {
        now_ms.saturating_sub(part.newest_timestamp) > config.compaction_lag_max_ms
    });
    let ratio = dirty as f64 / total.max(1) as f64;
    (is_overdue || ratio > config.dirty_ratio_min).then_some(count)
}

/// The last offset of each key among the records looked at.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    latest: HashMap<Vec<u8>, i64>,
}

impl Survey {
    /// Looks at a batch; says whether there is room for more.
    pub(crate) fn note(&mut self, batch: &RawBatch) -> Result<bool, BatchError> {
        if !is_subject(batch) {
            return Ok(true);
        }
        let opened = batch.open(limits::DECOMPRESSED_BATCH_BYTES_MAX)?;
        for record in opened.records() {
            let record = record?;
            if let Some(key) = record.key {
                match self.latest.get_mut(key) {
                    Some(offset) => *offset = record.offset,
                    None => {
                        self.latest.insert(key.to_vec(), record.offset);
                    }
                }
            }
        }
        Ok(self.latest.len() < limits::COMPACTION_KEYS_MAX)
    }
}

/// What becomes of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It stays as it is.
    Same(RawBatch),
    /// Some of its records stay, or none but its header is still needed.
    Changed(RawBatch),
    Gone,
}

/// Which records of a batch stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) survey: &'a Survey,
    /// Records without value in front of this offset have been seen for long enough.
    pub(crate) tombstones_until: i64,
}

/// Takes out of a batch what is superseded. `keeps_header` is for the last batch of a producer, whose
/// sequence a retry is told by.
pub(crate) fn compact(
    batch: RawBatch,
    rules: Rules<'_>,
    keeps_header: bool,
) -> Result<Outcome, BatchError> {
    if !is_subject(&batch) {
        return Ok(Outcome::Same(batch));
    }
    let opened = batch.open(limits::DECOMPRESSED_BATCH_BYTES_MAX)?;
    let (kept, count, newest) = retained(&opened, rules)?;
    if count == batch.header.records_count && count > 0 {
        return Ok(Outcome::Same(batch));
    }
    let mut header = batch.header;
    header.records_count = count;
    if count == 0 {
        if !keeps_header {
            return Ok(Outcome::Gone);
        }
        if batch.header.records_count == 0 {
            return Ok(Outcome::Same(batch));
        }
        return rewrite::rebuild(header, &[], Compression::None, None).map(Outcome::Changed);
    }
    if header.attributes.timestamp_type() == TimestampType::CreateTime {
        header.max_timestamp = newest;
    }
    let codec = header.attributes.compression()?;
    rewrite::rebuild(header, &kept, codec, None).map(Outcome::Changed)
}

/// The bytes of the records that stay, how many they are, and the newest timestamp among them.
fn retained(opened: &Batch, rules: Rules<'_>) -> Result<(Vec<u8>, i32, i64), BatchError> {
    let mut rest: &[u8] = opened.records_bytes();
    let mut kept = Vec::new();
    let (mut count, mut newest) = (0, i64::MIN);
    for record in opened.records() {
        let record = record?;
        let bytes = take_record(&mut rest);
        let stays = match record.key {
            None => true,
            Some(key) => {
                let is_latest = rules
                    .survey
                    .latest
                    .get(key)
                    .is_none_or(|latest| record.offset >= *latest);
                let is_spent = record.value.is_none() && record.offset < rules.tombstones_until;
                is_latest && !is_spent
            }
        };
        if stays {
            kept.extend_from_slice(bytes);
            count += 1;
            newest = newest.max(record.timestamp);
        }
    }
    Ok((kept, count, newest))
}

/// The next record as it stands, its length included; it was read once already.
fn take_record<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let whole: &'a [u8] = rest;
    let mut behind = whole;
    let length = varint::read_i32(&mut behind).unwrap_or(0);
    let length_bytes = whole.len() - behind.len();
    let end = length_bytes + usize::try_from(length).unwrap_or(0);
    let (record, others) = whole.split_at(end.min(whole.len()));
    *rest = others;
    record
}

fn is_subject(batch: &RawBatch) -> bool {
    let attributes = batch.header.attributes;
    !attributes.is_control() && !attributes.is_transactional()
}

#[cfg(test)]
mod tests;
