//! How far the replay is, on disk: two places written in turn, so that one that was being
//! written when the machine stopped leaves the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use bytes::{Buf as _, BufMut as _};

const SLOT_BYTES: usize = 28;

/// The numbers from which on entries are still to be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Position {
    pub(super) failed_next: u64,
    pub(super) accepted_next: u64,
}

#[derive(Debug)]
pub(super) struct PositionFile {
    file: File,
    /// Counts writes; the greater one of two places is the later.
    serial: u64,
}

impl PositionFile {
    /// Opens or makes the file. One without a place that can be read counts as the very
    /// beginning: what was replayed is replayed again, and nothing is lost.
    pub(super) fn open(path: &Path) -> io::Result<(PositionFile, Position)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut bytes = Vec::new();
        (&mut file)
            .take(2 * SLOT_BYTES as u64)
            .read_to_end(&mut bytes)?;
        let slots = bytes.chunks(SLOT_BYTES).filter_map(read_slot);
        let (serial, position) = slots.max_by_key(|(serial, _)| *serial).unwrap_or_default();
        Ok((PositionFile { file, serial }, position))
    }

    /// Writes a position over the older of the two places.
    pub(super) fn write(&mut self, position: Position) -> io::Result<()> {
        let serial = self.serial + 1;
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.put_u64_le(serial);
        slot.put_u64_le(position.failed_next);
        slot.put_u64_le(position.accepted_next);
        slot.put_u32_le(crc32c::crc32c(&slot));
        self.file
            .seek(SeekFrom::Start((serial % 2) * SLOT_BYTES as u64))?;
        self.file.write_all(&slot)?;
        self.serial = serial;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn read_slot(slot: &[u8]) -> Option<(u64, Position)> {
    let (mut content, sum) = slot.split_at_checked(SLOT_BYTES - 4)?;
    let expected = u32::from_le_bytes(sum.try_into().ok()?);
    if crc32c::crc32c(content) != expected {
        return None;
    }
    let serial = content.get_u64_le();
    let position = Position {
        failed_next: content.get_u64_le(),
        accepted_next: content.get_u64_le(),
    };
    Some((serial, position))
}
