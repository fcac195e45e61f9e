//! A spool's directory: its lock, its two lanes, its position, its limit.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use bytes::Bytes;

use super::batch::{Batch, Framed, Lane};
use super::error::SpoolError;
use super::frame::Frame;
use super::lanes::{AcceptedLane, FailedLane, Portion};
use super::limits::{RESERVED_SHARE, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENT_SHARE};
use super::position::{Position, PositionFile};
use super::{Spool, SpoolSync};

/// What was stored.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::publisher) struct Stored {
    /// Grows with the order of replay, within what was read at once.
    pub(in crate::publisher) number: u64,
    pub(in crate::publisher) bytes: Bytes,
}

/// The files, for one at a time.
#[derive(Debug)]
pub(in crate::publisher) struct Store {
    settings: Spool,
    failed: FailedLane,
    accepted: AcceptedLane,
    position: Position,
    position_file: PositionFile,
    /// Numbers of failed messages begin here, so that they grow from run to run.
    first_number: u64,
    /// What was read last and is still to be replayed.
    window: Window,
    damaged_bytes: u64,
    is_dirty: bool,
    /// Given back last.
    _lock: Lock,
}

#[derive(Debug)]
enum Window {
    None,
    Failed(Vec<u64>),
    /// Numbers, and where the entry behind each lies.
    Accepted(Vec<(u64, u64)>),
}

impl Store {
    /// Opens the directory, makes it if there is none, and looks at everything in it.
    pub(in crate::publisher) fn open(settings: Spool) -> Result<Store, SpoolError> {
        let directory = settings.directory.as_path();
        fs::create_dir_all(directory).map_err(SpoolError::io(directory, "made"))?;
        let lock = lock(directory)?;
        let path = directory.join("position");
        let opened = PositionFile::open(&path).map_err(SpoolError::io(&path, "opened"))?;
        let (position_file, position) = opened;
        let (failed, first_number, found) = FailedLane::open(directory, position.failed_next)?;
        let segment_bytes = settings.bytes_max / SEGMENT_SHARE;
        let segment_bytes = segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let (accepted, damaged_bytes) =
            AcceptedLane::open(directory, segment_bytes, position.accepted_next)?;
        let store = Store {
            _lock: lock,
            failed,
            accepted,
            position,
            position_file,
            first_number,
            window: Window::None,
            damaged_bytes: damaged_bytes + found.damaged_bytes,
            is_dirty: false,
            settings,
        };
        if store.damaged_bytes > 0 {
            tracing::error!(
                event = "spool_damaged",
                directory = %store.settings.directory.display(),
                bytes = store.damaged_bytes,
                "entries that cannot be read are skipped; files named .damaged have a copy"
            );
        }
        Ok(store)
    }

    /// How many messages are to be replayed.
    pub(in crate::publisher) fn len(&self) -> u64 {
        self.failed.len() + self.accepted.len()
    }

    /// Bytes of all files.
    pub(in crate::publisher) fn bytes(&self) -> u64 {
        self.failed.bytes() + self.accepted.bytes()
    }

    /// Bytes that were skipped because they could not be read.
    pub(in crate::publisher) fn damaged_bytes(&self) -> u64 {
        self.damaged_bytes
    }

    /// From where on failed messages are to be numbered.
    pub(in crate::publisher) fn first_number(&self) -> u64 {
        self.first_number
    }

    /// Writes messages, in order; says of each whether it is there. Those that go to the same
    /// file are written at once.
    pub(in crate::publisher) fn append(
        &mut self,
        batch: &mut Batch,
    ) -> Vec<Result<(), SpoolError>> {
        let before = (self.failed.mark(), self.accepted.mark());
        let mut rest = batch.run();
        let mut outcomes = Vec::with_capacity(rest.frames().len());
        while let Some(first) = rest.frames().first() {
            let had_been_taken = self.comes_first(first.lane);
            let count = self.count_next(rest.frames(), had_been_taken);
            let (run, behind) = rest.split_at(count.max(1));
            rest = behind;
            if count == 0 {
                outcomes.push(Err(self.full()));
                continue;
            }
            self.is_dirty = true;
            let written = match had_been_taken {
                true => self.failed.append(run),
                false => self.accepted.append(run),
            };
            outcomes.extend(written.outcomes(count));
        }
        if self.settings.sync == SpoolSync::Always
            && let Err(error) = self.sync()
        {
            // They count as not written, so they must not be replayed.
            self.failed.take_back(before.0);
            self.accepted.take_back(before.1);
            outcomes.fill(Err(error));
        }
        outcomes
    }

    /// How many of the next frames go to the files of one lane, and fit there.
    fn count_next(&self, frames: &[Framed], had_been_taken: bool) -> usize {
        let mut bytes = self.bytes();
        let is_next = |framed: &&Framed| {
            bytes += framed.bytes as u64;
            self.comes_first(framed.lane) == had_been_taken && bytes <= self.limit(framed.lane)
        };
        frames.iter().take_while(is_next).count()
    }

    /// Whether it had been taken before the cluster went away, and the replay has not come past
    /// its number.
    fn comes_first(&self, lane: Lane) -> bool {
        match lane {
            Lane::Failed { number } => {
                !self.failed.is_frozen() && number >= self.position.failed_next
            }
            Lane::Accepted => false,
        }
    }

    fn full(&self) -> SpoolError {
        SpoolError::Full {
            directory: self.settings.directory.clone(),
            bytes_max: self.settings.bytes_max,
        }
    }

    /// The next messages of the replay, of which there are `entries_max` at most and, but for
    /// the last, `bytes_max` bytes. Until [`Store::advance`], they are the next ones again.
    pub(in crate::publisher) fn read(
        &mut self,
        entries_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<Stored>, SpoolError> {
        let portion = Portion {
            entries_max,
            bytes_max,
        };
        while self.failed.len() > 0 {
            let (frames, looked_at) = self.failed.read(portion)?;
            if frames.is_empty() {
                self.failed.skip(looked_at);
                continue;
            }
            let numbers = frames.iter().map(|frame| frame.number);
            self.window = Window::Failed(numbers.collect());
            return Ok(frames.into_iter().map(stored).collect());
        }
        let read = self.accepted.read(portion)?;
        if read.is_empty() {
            self.failed.clear()?;
            self.accepted.clear()?;
        }
        let places = read.iter().map(|(frame, next)| (frame.number, *next));
        self.window = Window::Accepted(places.collect());
        Ok(read.into_iter().map(|(frame, _)| stored(frame)).collect())
    }

    /// The first `entries` of those read last are done with.
    pub(in crate::publisher) fn advance(&mut self, entries: usize) -> Result<(), SpoolError> {
        let Some(last) = entries.checked_sub(1) else {
            return Ok(());
        };
        match std::mem::replace(&mut self.window, Window::None) {
            Window::Failed(numbers) => {
                if let Some(through) = numbers.get(last) {
                    self.failed.advance(*through);
                    self.position.failed_next = through + 1;
                }
            }
            Window::Accepted(places) => {
                if let Some((through, next)) = places.get(last) {
                    self.accepted.advance(entries, *next)?;
                    self.position.accepted_next = through + 1;
                }
            }
            Window::None => {}
        }
        let written = self.position_file.write(self.position);
        written.map_err(SpoolError::io(&self.settings.directory, "written"))?;
        self.is_dirty = true;
        if self.len() == 0 {
            self.failed.clear()?;
            self.accepted.clear()?;
        }
        Ok(())
    }

    /// Forces everything to the disk.
    pub(in crate::publisher) fn sync(&mut self) -> Result<(), SpoolError> {
        if !self.is_dirty {
            return Ok(());
        }
        self.failed.sync()?;
        self.accepted.sync()?;
        let fail = || SpoolError::io(&self.settings.directory, "synced");
        self.position_file.sync().map_err(fail())?;
        // The names of new files.
        let directory = File::open(&self.settings.directory);
        directory
            .and_then(|directory| directory.sync_all())
            .map_err(fail())?;
        self.is_dirty = false;
        Ok(())
    }

    fn limit(&self, lane: Lane) -> u64 {
        let bytes_max = self.settings.bytes_max;
        match lane {
            Lane::Failed { .. } => bytes_max,
            Lane::Accepted => bytes_max - bytes_max / RESERVED_SHARE,
        }
    }
}

fn stored(frame: Frame) -> Stored {
    Stored {
        number: frame.number,
        bytes: frame.body,
    }
}

/// Keeps other publishers out of the directory until it is dropped.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    /// Closing the file would not do while another process has it: one that is being started has all
    /// of ours until it runs its own program.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(event = "spool_unlock", %error);
        }
    }
}

fn lock(directory: &Path) -> Result<Lock, SpoolError> {
    let path = directory.join("lock");
    let file = File::create(&path).map_err(SpoolError::io(&path, "made"))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(SpoolError::InUse {
            directory: directory.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(SpoolError::io(&path, "locked")(error)),
    }
}

#[cfg(test)]
mod tests;
