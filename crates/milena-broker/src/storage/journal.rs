//! A file of records that is appended to and read back after a crash.
//!
//! Owns the framing (length, checksum, payload) and dropping a torn end. Compacting
//! is the caller's decision: it gives the records that replace all others. Knows
//! nothing of what the records mean.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::codec;

/// A journal larger than this is compacted when it is opened.
const COMPACT_ABOVE_BYTES: u64 = 4 << 20;

const FRAME_BYTES: usize = 8;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Journal {
    /// Opens or creates the file and gives back the payloads it holds. What follows
    /// the first incomplete or damaged record was never acknowledged and is cut off.
    pub(crate) fn open(path: &Path) -> io::Result<(Journal, Vec<Vec<u8>>)> {
        let content = match fs::read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut payloads = Vec::new();
        let mut position = 0;
        while let Some(payload) = content.get(position..).and_then(take_record) {
            position += FRAME_BYTES + payload.len();
            payloads.push(payload.to_vec());
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = position as u64;
        if position < content.len() {
            tracing::warn!(
                event = "journal_truncated",
                path = %path.display(),
                bytes = content.len() - position,
            );
            file.set_len(bytes)?;
        }
        Ok((
            Journal {
                path: path.to_owned(),
                file,
                bytes,
            },
            payloads,
        ))
    }

    /// Appends a record; a failure leaves the journal as it was.
    pub(crate) fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        let record = frame(payload)?;
        if let Err(error) = self.file.write_all(&record) {
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += record.len() as u64;
        Ok(())
    }

    pub(crate) fn is_worth_compacting(&self) -> bool {
        self.bytes > COMPACT_ABOVE_BYTES
    }

    /// Replaces everything by these records in one step.
    pub(crate) fn replace(&mut self, payloads: &[Vec<u8>]) -> io::Result<()> {
        let mut content = Vec::new();
        for payload in payloads {
            content.extend_from_slice(&frame(payload)?);
        }
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(&content)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        codec::sync_directory(self.path.parent().unwrap_or(Path::new(".")))?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.bytes = content.len() as u64;
        Ok(())
    }

    /// Makes what was appended survive a loss of power.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn frame(payload: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut record = Vec::with_capacity(FRAME_BYTES + payload.len());
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(&crc32c::crc32c(payload).to_be_bytes());
    record.extend_from_slice(payload);
    Ok(record)
}

fn take_record(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let payload = rest.get(..length)?;
    // Zeroes, as a crash may leave them at the end of a file, are no record.
    let is_intact = length > 0 && crc32c::crc32c(payload) == u32::from_be_bytes(*crc);
    is_intact.then_some(payload)
}

#[cfg(test)]
mod tests;
