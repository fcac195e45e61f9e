//! One file of entries, to which is only appended.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::batch::{Run, Written};
use super::error::SpoolError;
use super::frame::{self, FILE_HEADER, Frame, Step};

const HEADER_BYTES: u64 = FILE_HEADER.len() as u64;

#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    /// Where the next entry goes; whatever is behind it was written in part, and counts not.
    end: u64,
}

/// Where an entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) number: u64,
    pub(super) offset: u64,
}

/// What was found in a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) entries: Vec<Located>,
    /// Bytes that are no entries any more.
    pub(super) damaged_bytes: u64,
}

impl Segment {
    /// Opens a file, or makes it, and looks at every entry. What is behind the last one that
    /// is whole is taken off, and kept in a file of its own if it is more than a torn write.
    pub(super) fn open(path: PathBuf) -> Result<(Segment, Found), SpoolError> {
        let fail = SpoolError::io;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail(&path, "opened"))?;
        let bytes = file.metadata().map_err(fail(&path, "read"))?.len();
        let mut segment = Segment {
            path,
            file,
            end: HEADER_BYTES,
        };
        let mut found = Found::default();
        if bytes < HEADER_BYTES {
            segment.begin().map_err(fail(&segment.path, "written"))?;
            return Ok((segment, found));
        }
        if !segment.has_header().map_err(fail(&segment.path, "read"))? {
            return Err(SpoolError::Format { path: segment.path });
        }
        segment
            .scan(bytes, &mut found)
            .map_err(fail(&segment.path, "read"))?;
        segment
            .cut_tail(bytes, &mut found)
            .map_err(fail(&segment.path, "mended"))?;
        Ok((segment, found))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    /// Where the first entry lies.
    pub(super) const fn start() -> u64 {
        HEADER_BYTES
    }

    /// Writes frames behind the last one, at once. Those that are whole count, should the disk
    /// not take all; a part of one is taken off.
    pub(super) fn append(&mut self, run: &Run<'_>) -> Written {
        let (bytes, written) = write_at(&self.file, run.bytes(), self.end);
        let Err(error) = written else {
            self.end += bytes;
            let frames = run.frames().len();
            return Written {
                frames,
                error: None,
            };
        };
        let frames = run.count_within(bytes);
        let whole = run.frames().iter().take(frames);
        let end = self.end + whole.map(|framed| framed.bytes as u64).sum::<u64>();
        self.end = end;
        self.take_back(end);
        Written {
            frames,
            error: Some(SpoolError::io(&self.path, "written")(error)),
        }
    }

    /// Takes off what is behind `end`.
    pub(super) fn take_back(&mut self, end: u64) {
        self.end = self.end.min(end.max(HEADER_BYTES));
        // If it stays, the next entry is written over it; until then it would be found again.
        if let Err(error) = self.file.set_len(self.end) {
            tracing::error!(event = "spool_not_taken_back", path = %self.path.display(), %error);
        }
    }

    pub(super) fn sync(&self) -> Result<(), SpoolError> {
        let synced = self.file.sync_data();
        synced.map_err(SpoolError::io(&self.path, "synced"))
    }

    /// Takes all entries off.
    pub(super) fn clear(&mut self) -> Result<(), SpoolError> {
        let cleared = self.begin();
        cleared.map_err(SpoolError::io(&self.path, "emptied"))
    }

    /// The entry at `offset`, and where the one behind it lies. `None` for one that is damaged,
    /// and at the end.
    pub(super) fn read(&self, offset: u64) -> Result<(Option<Frame>, u64), SpoolError> {
        let step = (&self.file)
            .seek(SeekFrom::Start(offset))
            .and_then(|_| frame::read(&mut BufReader::new(&self.file), self.end - offset));
        let step = step.map_err(SpoolError::io(&self.path, "read"))?;
        Ok(self.after(step, offset))
    }

    /// Reads entries from `offset` on until `is_enough`, which is told of each: the entry, or
    /// `None` for one that is damaged, and where the one behind it lies.
    pub(super) fn read_on(
        &self,
        mut offset: u64,
        mut is_enough: impl FnMut(Option<Frame>, u64) -> bool,
    ) -> Result<(), SpoolError> {
        let fail = SpoolError::io;
        (&self.file)
            .seek(SeekFrom::Start(offset))
            .map_err(fail(&self.path, "read"))?;
        let mut reader = BufReader::with_capacity(64 << 10, &self.file);
        while offset < self.end {
            let step = frame::read(&mut reader, self.end - offset);
            let step = step.map_err(fail(&self.path, "read"))?;
            let (frame, next) = self.after(step, offset);
            offset = next;
            if is_enough(frame, next) {
                break;
            }
        }
        Ok(())
    }

    fn after(&self, step: Step, offset: u64) -> (Option<Frame>, u64) {
        match step {
            Step::Frame(frame) => {
                let next = offset + frame::frame_bytes(&frame.body);
                (Some(frame), next)
            }
            Step::Damaged { bytes } => (None, offset + bytes),
            Step::Torn | Step::End => (None, self.end),
        }
    }

    /// Makes the file one without entries.
    fn begin(&mut self) -> io::Result<()> {
        self.end = HEADER_BYTES;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&FILE_HEADER)
    }

    fn has_header(&mut self) -> io::Result<bool> {
        let mut header = [0; FILE_HEADER.len()];
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_exact(&mut header)?;
        Ok(header == FILE_HEADER)
    }

    /// Looks at all entries, and sets the end behind the last that is whole. One that is
    /// damaged between others costs itself only.
    fn scan(&mut self, bytes: u64, found: &mut Found) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(HEADER_BYTES))?;
        let mut reader = BufReader::with_capacity(64 << 10, &self.file);
        let mut offset = HEADER_BYTES;
        let mut doubtful = 0;
        loop {
            match frame::read(&mut reader, bytes - offset)? {
                Step::Frame(frame) => {
                    found.damaged_bytes += std::mem::take(&mut doubtful);
                    let number = frame.number;
                    found.entries.push(Located { number, offset });
                    offset += frame::frame_bytes(&frame.body);
                    self.end = offset;
                }
                Step::Damaged { bytes } if doubtful == 0 => {
                    doubtful = bytes;
                    offset += bytes;
                }
                Step::Damaged { .. } | Step::Torn | Step::End => return Ok(()),
            }
        }
    }

    /// Takes off what is behind the end, after a copy of it is kept.
    fn cut_tail(&mut self, bytes: u64, found: &mut Found) -> io::Result<()> {
        let tail = bytes - self.end;
        if tail == 0 {
            return Ok(());
        }
        let mut copy = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path.with_extension("damaged"))?;
        self.file.seek(SeekFrom::Start(self.end))?;
        io::copy(&mut (&self.file).take(tail), &mut copy)?;
        copy.sync_all()?;
        self.file.set_len(self.end)?;
        found.damaged_bytes += tail;
        Ok(())
    }
}

/// Writes at `offset`, until all is written or the file takes no more; tells how much it took.
fn write_at(file: &File, bytes: &[u8], offset: u64) -> (u64, io::Result<()>) {
    let (mut rest, mut offset_next) = (bytes, offset);
    let outcome = loop {
        if rest.is_empty() {
            break Ok(());
        }
        match write_some_at(file, rest, offset_next) {
            Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                rest = rest.get(count..).unwrap_or_default();
                offset_next += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    (offset_next - offset, outcome)
}

#[cfg(unix)]
fn write_some_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_some_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}
