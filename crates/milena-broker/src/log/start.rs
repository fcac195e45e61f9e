//! Where a log starts when records in front were deleted within a segment.
//!
//! Owns the file that says so; without it a log starts with its first segment.

use std::io;
use std::path::{Path, PathBuf};

use crate::storage::codec::{self, FileContent, Reader, Writer};

fn path_in(directory: &Path) -> PathBuf {
    directory.join("start")
}

pub(super) fn save(directory: &Path, offset: i64) -> io::Result<()> {
    let mut writer = Writer::default();
    writer.put_i64(offset);
    codec::write_file(&path_in(directory), &writer.into_bytes())
}

/// The offset, or 0. A damaged file brings deleted records back rather than losing others.
pub(super) fn load(directory: &Path) -> io::Result<i64> {
    let path = path_in(directory);
    let offset = match codec::read_file(&path)? {
        FileContent::Missing => return Ok(0),
        FileContent::Payload(payload) => Reader::new(&payload).take_i64(),
        FileContent::Damaged => None,
    };
    if offset.is_none() {
        tracing::warn!(event = "log_start_ignored", path = %path.display());
    }
    Ok(offset.unwrap_or(0))
}
