//! How small files of the broker are written: fields, a checksum, and atomically.
//!
//! Owns the byte layout of integers and texts and the envelope around a file. Knows
//! nothing of what the fields mean.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

/// In front of every file of ours; the digit is the version of the layout.
const MAGIC: &[u8; 8] = b"milena:1";

/// Builds a payload.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn put_u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn put_i16(&mut self, value: i16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn put_i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn put_i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn put_u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn put_u128(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn put_count(&mut self, count: usize) {
        self.put_u64(count as u64);
    }

    pub(crate) fn put_bytes(&mut self, value: &[u8]) {
        self.put_count(value.len());
        self.bytes.extend_from_slice(value);
    }

    pub(crate) fn put_text(&mut self, value: &str) {
        self.put_bytes(value.as_bytes());
    }

    pub(crate) fn put_optional_text(&mut self, value: Option<&Arc<str>>) {
        self.put_u8(u8::from(value.is_some()));
        if let Some(value) = value {
            self.put_text(value);
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes a payload apart; `None` means that it is not what was written.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*bytes)
    }

    pub(crate) fn take_u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(crate) fn take_i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    pub(crate) fn take_i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    pub(crate) fn take_i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    pub(crate) fn take_u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(crate) fn take_u128(&mut self) -> Option<u128> {
        self.take().map(u128::from_be_bytes)
    }

    /// A count of elements that take at least one byte each.
    pub(crate) fn take_count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.take_u64()?).ok()?;
        (count <= self.rest.len()).then_some(count)
    }

    pub(crate) fn take_bytes(&mut self) -> Option<Bytes> {
        let length = self.take_count()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Bytes::copy_from_slice(bytes))
    }

    pub(crate) fn take_text(&mut self) -> Option<Arc<str>> {
        let length = self.take_count()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(bytes).ok().map(Arc::from)
    }

    /// The outer `None` is an error, the inner one an absent text.
    pub(crate) fn take_optional_text(&mut self) -> Option<Option<Arc<str>>> {
        match self.take_u8()? {
            0 => Some(None),
            1 => self.take_text().map(Some),
            _ => None,
        }
    }
}

/// Replaces a file in one step: a crash leaves the old content or the new one.
pub(crate) fn write_file(path: &Path, payload: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(MAGIC)?;
    file.write_all(&crc32c::crc32c(payload).to_be_bytes())?;
    file.write_all(payload)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// What a file holds.
pub(crate) enum FileContent {
    Missing,
    Payload(Vec<u8>),
    /// Not written by us, or damaged since.
    Damaged,
}

/// Reads what [`write_file`] wrote.
pub(crate) fn read_file(path: &Path) -> io::Result<FileContent> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileContent::Missing),
        Err(error) => return Err(error),
    };
    let payload = bytes.strip_prefix(MAGIC).and_then(|rest| {
        let (crc, payload) = rest.split_first_chunk::<4>()?;
        (crc32c::crc32c(payload) == u32::from_be_bytes(*crc)).then(|| payload.to_vec())
    });
    Ok(payload.map_or(FileContent::Damaged, FileContent::Payload))
}

/// Makes names created in a directory survive a loss of power.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()
    } else {
        Ok(())
    }
}
