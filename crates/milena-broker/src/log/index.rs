//! A sparse index of one segment: offsets and times to positions.
//!
//! Owns the entries and their file, which is only ever appended to and can be
//! rebuilt from the segment. Knows no batch format.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

const ENTRY_BYTES: usize = 24;

/// One indexed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// The batch's base offset.
    pub(crate) offset: i64,
    /// Where it starts in the segment.
    pub(crate) position: u64,
    /// The newest timestamp of all batches in front of it.
    pub(crate) newest_before: i64,
}

/// The index of one segment, in memory; what is on disk may lag behind.
#[derive(Debug, Default)]
pub(crate) struct SparseIndex {
    entries: Vec<IndexEntry>,
    /// How many of the entries are in the file.
    saved: usize,
}

impl SparseIndex {
    /// Reads the file as far as it makes sense and concerns positions before `until`.
    pub(crate) fn load(path: &Path, until: u64) -> io::Result<SparseIndex> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let mut index = SparseIndex::default();
        for chunk in bytes.chunks_exact(ENTRY_BYTES) {
            let Some(entry) = decode(chunk) else { break };
            let last = index.entries.last();
            let ascends = last
                .is_none_or(|last| last.offset < entry.offset && last.position < entry.position);
            if !ascends || entry.position >= until {
                break;
            }
            index.entries.push(entry);
        }
        index.saved = index.entries.len();
        if bytes.len() != index.saved * ENTRY_BYTES {
            // The rest is dropped, so that what is appended later follows on.
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len((index.saved * ENTRY_BYTES) as u64)?;
        }
        Ok(index)
    }

    pub(crate) fn push(&mut self, entry: IndexEntry) {
        self.entries.push(entry);
    }

    pub(crate) fn last(&self) -> Option<IndexEntry> {
        self.entries.last().copied()
    }

    /// Where to start looking for an offset.
    pub(crate) fn position_of(&self, offset: i64) -> u64 {
        let after = self.entries.partition_point(|entry| entry.offset <= offset);
        self.before(after)
    }

    /// Where to start looking for the first record that is not older than `timestamp`.
    pub(crate) fn position_of_time(&self, timestamp: i64) -> u64 {
        let after = self
            .entries
            .partition_point(|entry| entry.newest_before < timestamp);
        self.before(after)
    }

    /// Entries that are not in the file yet, as bytes to append to it.
    pub(crate) fn take_unsaved(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in self.entries.iter().skip(self.saved) {
            bytes.extend_from_slice(&entry.offset.to_be_bytes());
            bytes.extend_from_slice(&entry.position.to_be_bytes());
            bytes.extend_from_slice(&entry.newest_before.to_be_bytes());
        }
        self.saved = self.entries.len();
        bytes
    }

    fn before(&self, after: usize) -> u64 {
        let entry = after
            .checked_sub(1)
            .and_then(|position| self.entries.get(position));
        entry.map_or(0, |entry| entry.position)
    }
}

/// Appends entries that [`SparseIndex::take_unsaved`] gave.
pub(crate) fn append(path: &Path, entries: &[u8]) -> io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?
        .write_all(entries)
}

fn decode(chunk: &[u8]) -> Option<IndexEntry> {
    let (offset, rest) = chunk.split_first_chunk::<8>()?;
    let (position, rest) = rest.split_first_chunk::<8>()?;
    let newest_before = rest.first_chunk::<8>()?;
    Some(IndexEntry {
        offset: i64::from_be_bytes(*offset),
        position: u64::from_be_bytes(*position),
        newest_before: i64::from_be_bytes(*newest_before),
    })
}

#[cfg(test)]
mod tests;
