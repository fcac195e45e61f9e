//! The two ways through a spool: what had been taken before the cluster went away, in the order
//! of being taken, and behind it what was taken since, in the order of being spooled.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use super::batch::{Lane, Run, Written};
use super::error::SpoolError;
use super::frame::{self, Frame};
use super::segment::{Found, Located, Segment};

const FAILED_FILE: &str = "failed.spool";
const ACCEPTED_PREFIX: &str = "accepted-";
const SUFFIX: &str = ".spool";

/// How much to read at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion {
    pub(super) entries_max: usize,
    pub(super) bytes_max: u64,
}

/// What had been taken already. One file: it holds no more than was on its way at once. It is
/// small enough to know where each entry is, and replayed by number, as failures come in any
/// order.
#[derive(Debug)]
pub(super) struct FailedLane {
    path: PathBuf,
    segment: Option<Segment>,
    left: VecDeque<Located>,
    /// The replay has begun; what comes later would be too late for its place.
    is_frozen: bool,
}

impl FailedLane {
    /// What the directory has from number `next` on; and the damage. Numbers from the second
    /// on are free.
    pub(super) fn open(
        directory: &Path,
        next: u64,
    ) -> Result<(FailedLane, u64, Found), SpoolError> {
        let path = directory.join(FAILED_FILE);
        let mut lane = FailedLane {
            path,
            segment: None,
            left: VecDeque::new(),
            is_frozen: false,
        };
        if !lane.path.exists() {
            return Ok((lane, next, Found::default()));
        }
        let (segment, found) = Segment::open(lane.path.clone())?;
        let numbers = found.entries.iter().map(|entry| entry.number + 1);
        let free = numbers.max().unwrap_or(0).max(next);
        let left = found.entries.iter().filter(|entry| entry.number >= next);
        lane.left = left.copied().collect();
        lane.segment = Some(segment);
        if lane.left.is_empty() {
            lane.clear()?;
        } else {
            lane.freeze();
        }
        Ok((lane, free, found))
    }

    pub(super) fn len(&self) -> u64 {
        self.left.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segment.as_ref().map_or(0, Segment::bytes)
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    /// Appends frames, which are all of this lane.
    pub(super) fn append(&mut self, mut run: Run<'_>) -> Written {
        run.seal(Lane::number);
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => match Segment::open(self.path.clone()) {
                Ok((segment, _)) => none.insert(segment),
                Err(error) => return Written::none(error),
            },
        };
        let mut offset = segment.bytes();
        let written = segment.append(&run);
        for framed in run.frames().iter().take(written.frames) {
            let number = framed.lane.number();
            self.left.push_back(Located { number, offset });
            offset += framed.bytes as u64;
        }
        written
    }

    /// How much there is, for [`FailedLane::take_back`].
    pub(super) fn mark(&self) -> (usize, u64) {
        (self.left.len(), self.bytes())
    }

    /// Takes off what was appended since.
    pub(super) fn take_back(&mut self, (entries, bytes): (usize, u64)) {
        self.left.truncate(entries);
        if let Some(segment) = &mut self.segment {
            segment.take_back(bytes);
        }
    }

    /// The next entries, and how many of those that are left they stand for.
    pub(super) fn read(&mut self, portion: Portion) -> Result<(Vec<Frame>, usize), SpoolError> {
        if !self.is_frozen {
            self.freeze();
        }
        let (mut frames, mut looked_at, mut bytes) = (Vec::new(), 0, 0);
        let Some(segment) = &self.segment else {
            return Ok((frames, looked_at));
        };
        for located in &self.left {
            if frames.len() >= portion.entries_max || bytes >= portion.bytes_max {
                break;
            }
            if let (Some(frame), _) = segment.read(located.offset)? {
                bytes += frame::frame_bytes(&frame.body);
                frames.push(frame);
            }
            looked_at += 1;
        }
        Ok((frames, looked_at))
    }

    /// Forgets the first entries, up to number `through`.
    pub(super) fn advance(&mut self, through: u64) {
        while self.left.front().is_some_and(|one| one.number <= through) {
            self.left.pop_front();
        }
    }

    /// Forgets the first entries, read or not.
    pub(super) fn skip(&mut self, entries: usize) {
        self.left.drain(..entries.min(self.left.len()));
    }

    pub(super) fn clear(&mut self) -> Result<(), SpoolError> {
        self.left.clear();
        self.is_frozen = false;
        self.segment.as_mut().map_or(Ok(()), Segment::clear)
    }

    pub(super) fn sync(&self) -> Result<(), SpoolError> {
        self.segment.as_ref().map_or(Ok(()), Segment::sync)
    }

    fn freeze(&mut self) {
        self.is_frozen = true;
        let left = self.left.make_contiguous();
        left.sort_by_key(|located| located.number);
    }
}

/// How much an [`AcceptedLane`] had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    segments: usize,
    last_bytes: u64,
    next_number: u64,
    left: u64,
}

/// What was taken since: files one behind the other, each removed once it is replayed.
#[derive(Debug)]
pub(super) struct AcceptedLane {
    directory: PathBuf,
    segments: VecDeque<Segment>,
    segment_bytes_max: u64,
    /// Where in the first file the next entry lies.
    cursor: u64,
    next_number: u64,
    left: u64,
}

impl AcceptedLane {
    /// What the directory has from number `next` on; and the damage in bytes.
    pub(super) fn open(
        directory: &Path,
        segment_bytes_max: u64,
        next: u64,
    ) -> Result<(AcceptedLane, u64), SpoolError> {
        let mut lane = AcceptedLane {
            directory: directory.to_owned(),
            segments: VecDeque::new(),
            segment_bytes_max,
            cursor: Segment::start(),
            next_number: next,
            left: 0,
        };
        let mut damaged_bytes = 0;
        for path in segment_paths(directory)? {
            let (segment, found) = Segment::open(path)?;
            damaged_bytes += found.damaged_bytes;
            let last = found.entries.last();
            lane.next_number = last.map_or(lane.next_number, |last| {
                lane.next_number.max(last.number + 1)
            });
            let done = found.entries.partition_point(|entry| entry.number < next);
            let Some(first) = found.entries.get(done) else {
                remove(segment.path())?;
                continue;
            };
            if lane.segments.is_empty() {
                lane.cursor = first.offset;
            }
            lane.left += (found.entries.len() - done) as u64;
            lane.segments.push_back(segment);
        }
        Ok((lane, damaged_bytes))
    }

    pub(super) fn len(&self) -> u64 {
        self.left
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(Segment::bytes).sum()
    }

    /// Appends frames behind the last one, as many at once as a file takes.
    pub(super) fn append(&mut self, mut run: Run<'_>) -> Written {
        let mut numbers = self.next_number..;
        run.seal(|_| numbers.next().unwrap_or(u64::MAX));
        let (mut rest, mut frames) = (run, 0);
        while let Some(first) = rest.frames().first() {
            let segment_bytes_max = self.segment_bytes_max;
            let segment = match self.segment_for(first.bytes as u64) {
                Ok(segment) => segment,
                Err(error) => {
                    let error = Some(error);
                    return Written { frames, error };
                }
            };
            let room = segment_bytes_max.saturating_sub(segment.bytes());
            // One that is larger than a file is to be gets a file of its own.
            let count = rest.count_within(room).max(1);
            let (run, behind) = rest.split_at(count);
            let written = segment.append(&run);
            self.next_number += written.frames as u64;
            self.left += written.frames as u64;
            frames += written.frames;
            if written.error.is_some() {
                return Written { frames, ..written };
            }
            rest = behind;
        }
        Written {
            frames,
            error: None,
        }
    }

    /// The last file, or one behind it if it has no room for so many bytes.
    fn segment_for(&mut self, bytes: u64) -> Result<&mut Segment, SpoolError> {
        let has_room = |segment: &Segment| {
            segment.bytes() == Segment::start() || segment.bytes() + bytes <= self.segment_bytes_max
        };
        if !self.segments.back().is_some_and(has_room) {
            let name = format!("{ACCEPTED_PREFIX}{:020}{SUFFIX}", self.next_number);
            let (segment, _) = Segment::open(self.directory.join(name))?;
            if self.segments.is_empty() {
                self.cursor = Segment::start();
            }
            self.segments.push_back(segment);
        }
        let last = self.segments.back_mut();
        Ok(last.expect("invariant: there is one since above"))
    }

    /// How much there is, for [`AcceptedLane::take_back`].
    pub(super) fn mark(&self) -> Mark {
        Mark {
            segments: self.segments.len(),
            last_bytes: self.segments.back().map_or(0, Segment::bytes),
            next_number: self.next_number,
            left: self.left,
        }
    }

    /// Takes off what was appended since.
    pub(super) fn take_back(&mut self, mark: Mark) {
        for mut segment in self
            .segments
            .drain(mark.segments.min(self.segments.len())..)
        {
            segment.take_back(Segment::start());
            if let Err(error) = remove(segment.path()) {
                tracing::error!(event = "spool_not_taken_back", %error);
            }
        }
        if let Some(last) = self.segments.back_mut() {
            last.take_back(mark.last_bytes);
        }
        self.next_number = mark.next_number;
        self.left = mark.left;
    }

    /// The next entries of the first file, each with where the one behind it lies.
    pub(super) fn read(&mut self, portion: Portion) -> Result<Vec<(Frame, u64)>, SpoolError> {
        let mut read = Vec::new();
        while let Some(first) = self.segments.front() {
            let mut end = self.cursor;
            first.read_on(self.cursor, |frame, next| {
                end = next;
                read.extend(frame.map(|frame| (frame, next)));
                read.len() >= portion.entries_max || next - self.cursor >= portion.bytes_max
            })?;
            if !read.is_empty() {
                break;
            }
            // Nothing in it can be read any more.
            if end < first.bytes() {
                self.cursor = end;
            } else {
                self.remove_first()?;
            }
        }
        if read.is_empty() {
            self.left = 0;
        }
        Ok(read)
    }

    /// Goes on behind `entries`, up to `cursor`.
    pub(super) fn advance(&mut self, entries: usize, cursor: u64) -> Result<(), SpoolError> {
        self.left = self.left.saturating_sub(entries as u64);
        self.cursor = cursor;
        let is_done = |first: &Segment| cursor >= first.bytes();
        if self.segments.len() > 1 && self.segments.front().is_some_and(is_done) {
            self.remove_first()?;
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) -> Result<(), SpoolError> {
        self.left = 0;
        while !self.segments.is_empty() {
            self.remove_first()?;
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), SpoolError> {
        // Those before the last were synced when they were the last, or are synced with it.
        self.segments.iter().try_for_each(Segment::sync)
    }

    fn remove_first(&mut self) -> Result<(), SpoolError> {
        self.cursor = Segment::start();
        match self.segments.pop_front() {
            Some(first) => remove(first.path()),
            None => Ok(()),
        }
    }
}

/// The files of accepted messages, oldest first: their names begin with equally many digits.
fn segment_paths(directory: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let fail = SpoolError::io;
    let mut paths = Vec::new();
    for file in fs::read_dir(directory).map_err(fail(directory, "read"))? {
        let path = file.map_err(fail(directory, "read"))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let is_ours = |name: &str| name.starts_with(ACCEPTED_PREFIX) && name.ends_with(SUFFIX);
        if name.is_some_and(is_ours) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn remove(path: &Path) -> Result<(), SpoolError> {
    fs::remove_file(path).map_err(SpoolError::io(path, "removed"))
}
