//! One file of batches, one after the other, as they are sent to consumers.
//!
//! Owns the file, its index, and walking through it. Knows nothing of other segments.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use milena_wire::batch::{self, BATCH_HEADER_BYTES, BatchHeader, RawBatch};

use super::index::{IndexEntry, SparseIndex};
use super::{LogError, ReadLimit, StampedBatch};

/// Bytes read at once while walking through a segment.
const SCAN_BYTES: usize = 1 << 20;

/// A segment, open for reading and, if it is the last one, appending.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<File>,
    pub(crate) bytes: u64,
    pub(crate) newest_timestamp: i64,
    pub(crate) index: SparseIndex,
    bytes_since_entry: u64,
    /// Known once it was asked for.
    first_timestamp: OnceLock<i64>,
}

/// How far a batch found while walking is to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It was checked before: its header is enough.
    Checked,
    /// Its checksum must match.
    Unchecked,
}

impl Segment {
    /// Creates an empty segment; whatever had its name is overwritten.
    pub(crate) fn create(directory: &Path, base_offset: i64) -> io::Result<Segment> {
        let path = directory.join(format!("{base_offset:020}.log"));
        let _ = std::fs::remove_file(path.with_extension("index"));
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)?;
        file.set_len(0)?;
        crate::storage::codec::sync_directory(directory)?;
        Ok(Segment::new(
            base_offset,
            path,
            file,
            0,
            SparseIndex::default(),
        ))
    }

    /// Opens an existing segment. Nothing is known of its content before a [`Segment::walk`].
    pub(crate) fn open(path: PathBuf, base_offset: i64, checked: u64) -> io::Result<Segment> {
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        let index = SparseIndex::load(&path.with_extension("index"), checked.min(bytes))?;
        Ok(Segment::new(base_offset, path, file, bytes, index))
    }

    fn new(base_offset: i64, path: PathBuf, file: File, bytes: u64, index: SparseIndex) -> Self {
        let newest_timestamp = index.last().map_or(i64::MIN, |entry| entry.newest_before);
        Segment {
            base_offset,
            path,
            file: Arc::new(file),
            bytes,
            newest_timestamp,
            index,
            bytes_since_entry: 0,
            first_timestamp: OnceLock::new(),
        }
    }

    pub(crate) fn index_path(&self) -> PathBuf {
        self.path.with_extension("index")
    }

    /// Appends a batch; a failure leaves the segment as it was.
    pub(crate) fn append(&mut self, batch: &StampedBatch, index_interval: u64) -> io::Result<()> {
        let head = batch.head();
        let body = batch.body();
        if let Err(error) = write_all(&self.file, &head, &body) {
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.note(&batch.header, self.bytes, index_interval);
        self.bytes += (head.len() + body.len()) as u64;
        Ok(())
    }

    /// The newest timestamp of the first batch, from which its age is told.
    pub(crate) fn first_timestamp(&self) -> io::Result<i64> {
        if let Some(timestamp) = self.first_timestamp.get() {
            return Ok(*timestamp);
        }
        let timestamp = self.header_at(0)?.max_timestamp;
        Ok(*self.first_timestamp.get_or_init(|| timestamp))
    }

    /// Takes a batch at `position` into the index and the newest timestamp.
    pub(crate) fn note(&mut self, header: &BatchHeader, position: u64, index_interval: u64) {
        let is_known = self
            .index
            .last()
            .is_some_and(|last| position <= last.position);
        if !is_known {
            if position > 0 && self.bytes_since_entry >= index_interval {
                self.index.push(IndexEntry {
                    offset: header.base_offset,
                    position,
                    newest_before: self.newest_timestamp,
                });
                self.bytes_since_entry = 0;
            }
            self.bytes_since_entry += header.total_bytes() as u64;
        }
        self.newest_timestamp = self.newest_timestamp.max(header.max_timestamp);
    }

    /// Whole batches from the one that holds `offset` on.
    pub(crate) fn read(&self, offset: i64, limit: ReadLimit) -> io::Result<Bytes> {
        let Some((start, header)) = self.find(offset)? else {
            return Ok(Bytes::new());
        };
        let first_bytes = header.total_bytes();
        let is_too_large = first_bytes > limit.bytes_max.max(limit.first_batch_bytes_max);
        if is_too_large || header.base_offset >= limit.before {
            return Ok(Bytes::new());
        }
        let left = usize::try_from(self.bytes - start).unwrap_or(usize::MAX);
        let mut buffer = vec![0; limit.bytes_max.max(first_bytes).min(left)];
        read_exact_at(&self.file, &mut buffer, start)?;
        let whole = whole_batches(&buffer, limit.before);
        buffer.truncate(whole);
        Ok(Bytes::from(buffer))
    }

    /// The batch that holds `offset`, or the first one behind it, with its position.
    fn find(&self, offset: i64) -> io::Result<Option<(u64, BatchHeader)>> {
        let mut position = self.index.position_of(offset);
        while position < self.bytes {
            let header = self.header_at(position)?;
            if header.last_offset() >= offset {
                return Ok(Some((position, header)));
            }
            position += header.total_bytes() as u64;
        }
        Ok(None)
    }

    /// Batches that may hold a record that is not older than `timestamp`, one by one,
    /// until `look` has found one.
    pub(crate) fn search_time<T>(
        &self,
        timestamp: i64,
        mut look: impl FnMut(&BatchHeader, Bytes) -> io::Result<Option<T>>,
    ) -> io::Result<Option<T>> {
        let mut position = self.index.position_of_time(timestamp);
        while position < self.bytes {
            let header = self.header_at(position)?;
            if header.max_timestamp >= timestamp {
                let mut buffer = vec![0; header.total_bytes()];
                read_exact_at(&self.file, &mut buffer, position)?;
                let found = look(&header, Bytes::from(buffer))?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            position += header.total_bytes() as u64;
        }
        Ok(None)
    }

    fn header_at(&self, position: u64) -> io::Result<BatchHeader> {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        read_exact_at(&self.file, &mut bytes, position)?;
        BatchHeader::parse(&bytes).map_err(|error| {
            let text = format!("{} at byte {position}: {error}", self.path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        })
    }

    /// Visits batches from `position` up to `until`, with their bytes if those are
    /// [`Trust::Unchecked`]; gives back where the first one stands that is incomplete,
    /// damaged, or out of order.
    pub(crate) fn walk(
        &self,
        mut position: u64,
        until: u64,
        trust: Trust,
        mut next_offset: Option<i64>,
        mut visit: impl FnMut(&BatchHeader, u64, &[u8]),
    ) -> io::Result<u64> {
        let mut window = Window {
            file: &self.file,
            start: 0,
            bytes: Vec::new(),
        };
        while position < until {
            let left = until - position;
            let Some(head) = window.get(position, BATCH_HEADER_BYTES, left)? else {
                break;
            };
            let Ok(header) = BatchHeader::parse(head) else {
                break;
            };
            let Some(bytes) = (match trust {
                Trust::Checked if header.total_bytes() as u64 <= left => Some(&[][..]),
                Trust::Checked => None,
                Trust::Unchecked => window.get(position, header.total_bytes(), left)?,
            }) else {
                break;
            };
            if trust == Trust::Unchecked && batch::verify_crc(bytes).is_err() {
                break;
            }
            if next_offset.is_some_and(|expected| header.base_offset < expected) {
                break;
            }
            next_offset = Some(header.next_offset());
            visit(&header, position, bytes);
            position += header.total_bytes() as u64;
        }
        Ok(position)
    }

    /// Takes the content of another file, which is on disk, in place of its own.
    pub(crate) fn replace(&mut self, content: &Path, index_interval: u64) -> io::Result<()> {
        // An index of the old content must not survive it.
        self.forget_index()?;
        std::fs::rename(content, &self.path)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        crate::storage::codec::sync_directory(directory)?;
        let mut fresh = Segment::open(self.path.clone(), self.base_offset, 0)?;
        let mut headers = Vec::new();
        fresh.walk(
            0,
            fresh.bytes,
            Trust::Checked,
            None,
            |header, position, _| {
                headers.push((*header, position));
            },
        )?;
        for (header, position) in headers {
            fresh.note(&header, position, index_interval);
        }
        *self = fresh;
        Ok(())
    }

    /// Cuts off the batches with records at `offset` or behind it; gives where it ends now.
    pub(crate) fn cut(&mut self, offset: i64, index_interval: u64) -> io::Result<i64> {
        let mut headers = Vec::new();
        self.walk(
            0,
            self.bytes,
            Trust::Checked,
            None,
            |header, position, _| {
                headers.push((*header, position));
            },
        )?;
        let kept = headers.partition_point(|(header, _)| header.last_offset() < offset);
        if let Some((_, position)) = headers.get(kept) {
            self.truncate(*position)?;
            self.file.sync_data()?;
        }
        headers.truncate(kept);
        self.forget_index()?;
        self.first_timestamp = OnceLock::new();
        for (header, position) in &headers {
            self.note(header, *position, index_interval);
        }
        let last = headers.last();
        Ok(last.map_or(self.base_offset, |(header, _)| header.next_offset()))
    }

    /// Removes its files.
    pub(crate) fn delete(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)?;
        let _ = std::fs::remove_file(self.index_path());
        Ok(())
    }

    /// Forgets what the index said; everything is to be walked through again.
    pub(crate) fn forget_index(&mut self) -> io::Result<()> {
        self.index = SparseIndex::default();
        self.bytes_since_entry = 0;
        self.newest_timestamp = i64::MIN;
        match std::fs::remove_file(self.index_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Cuts the segment off behind `bytes`.
    pub(crate) fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        self.bytes = bytes;
        Ok(())
    }
}

/// Reads the batches of a segment that no longer grows, one after the other, until `visit` says no.
pub(crate) fn visit(
    file: &File,
    bytes: u64,
    visit: &mut dyn FnMut(RawBatch) -> Result<bool, LogError>,
) -> Result<(), LogError> {
    let failed = |source| LogError::Storage {
        action: "read",
        source,
    };
    let mut position = 0;
    while position < bytes {
        let mut head = [0; BATCH_HEADER_BYTES];
        read_exact_at(file, &mut head, position).map_err(failed)?;
        let invalid = |error: batch::BatchError| failed(io::Error::other(error.to_string()));
        let header = BatchHeader::parse(&head).map_err(invalid)?;
        let mut buffer = vec![0; header.total_bytes()];
        read_exact_at(file, &mut buffer, position).map_err(failed)?;
        let batch = RawBatch::parse(Bytes::from(buffer)).map_err(invalid)?;
        position += header.total_bytes() as u64;
        if !visit(batch)? {
            break;
        }
    }
    Ok(())
}

/// A part of a file in memory that moves along with whoever walks through it.
struct Window<'a> {
    file: &'a File,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// `count` bytes at `position`; `None` when there are fewer than that `left`.
    fn get(&mut self, position: u64, count: usize, left: u64) -> io::Result<Option<&[u8]>> {
        if count as u64 > left {
            return Ok(None);
        }
        let end = position + count as u64;
        if position < self.start || end > self.start + self.bytes.len() as u64 {
            let wanted = count.max(SCAN_BYTES.min(usize::try_from(left).unwrap_or(SCAN_BYTES)));
            self.bytes.resize(wanted, 0);
            read_exact_at(self.file, &mut self.bytes, position)?;
            self.start = position;
        }
        let from = usize::try_from(position - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..from + count))
    }
}

/// How many bytes at the front of `bytes` are whole batches that start before an offset.
fn whole_batches(bytes: &[u8], before: i64) -> usize {
    let mut position = 0;
    while let Some(rest) = bytes.get(position..)
        && let Ok(header) = BatchHeader::parse(rest)
        && rest.len() >= header.total_bytes()
        && header.base_offset < before
    {
        position += header.total_bytes();
    }
    position
}

fn write_all(mut file: &File, head: &[u8], body: &[u8]) -> io::Result<()> {
    // Nearly always one call; the rest is for a disk that takes only a part.
    let written = file.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
    if let Some(rest) = head.get(written..) {
        file.write_all(rest)?;
        return file.write_all(body);
    }
    match body.get(written - head.len()..) {
        Some(rest) => file.write_all(rest),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, position)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut position: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, buffer, position)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[count..];
        position += count as u64;
    }
    Ok(())
}
