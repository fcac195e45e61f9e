//! Messages that are spooled together: their frames lie one behind the other in one buffer, as
//! they will in a file, which takes them with one write.

use std::iter::repeat_n;

use super::error::SpoolError;
use super::frame;
use super::limits::BATCH_BYTES_KEPT_MAX;

/// Which messages come first when the cluster is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::publisher) enum Lane {
    /// Those that had been taken before it went away, by number.
    Failed { number: u64 },
    /// Those taken since, as they come.
    Accepted,
}

/// What is to be stored, in order. To be used again, as its buffer is.
#[derive(Debug, Default)]
pub(in crate::publisher) struct Batch {
    bytes: Vec<u8>,
    frames: Vec<Framed>,
}

/// A frame of a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Framed {
    pub(super) lane: Lane,
    pub(super) bytes: usize,
}

/// Frames of a batch that lie one behind the other.
#[derive(Debug)]
pub(super) struct Run<'a> {
    bytes: &'a mut [u8],
    frames: &'a [Framed],
}

/// How many frames of a run are in the files, and what kept the others out.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) frames: usize,
    pub(super) error: Option<SpoolError>,
}

impl Batch {
    /// Takes the entry that `encode` appends to the buffer.
    pub(in crate::publisher) fn push(&mut self, lane: Lane, encode: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        frame::begin(&mut self.bytes);
        encode(&mut self.bytes);
        self.frames.push(Framed {
            lane,
            bytes: self.bytes.len() - start,
        });
    }

    /// Makes it one without entries.
    pub(in crate::publisher) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(BATCH_BYTES_KEPT_MAX);
        self.frames.clear();
    }

    /// All of it.
    pub(super) fn run(&mut self) -> Run<'_> {
        Run {
            bytes: &mut self.bytes,
            frames: &self.frames,
        }
    }
}

impl<'a> Run<'a> {
    pub(super) fn frames(&self) -> &'a [Framed] {
        self.frames
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The first `frames` of it, and those behind them.
    pub(super) fn split_at(self, frames: usize) -> (Run<'a>, Run<'a>) {
        let (first, behind) = self.frames.split_at(frames);
        let bytes = first.iter().map(|frame| frame.bytes).sum();
        let (first_bytes, bytes_behind) = self.bytes.split_at_mut(bytes);
        let run = |bytes, frames| Run { bytes, frames };
        (run(first_bytes, first), run(bytes_behind, behind))
    }

    /// Completes the frames, each with its number.
    pub(super) fn seal(&mut self, mut number: impl FnMut(Lane) -> u64) {
        let mut rest = &mut *self.bytes;
        for framed in self.frames {
            let (frame, behind) = rest.split_at_mut(framed.bytes);
            frame::seal(frame, number(framed.lane));
            rest = behind;
        }
    }

    /// How many of the first frames are whole within so many bytes.
    pub(super) fn count_within(&self, bytes: u64) -> usize {
        let fits = |left: &mut u64, framed: &Framed| {
            *left = left.checked_sub(framed.bytes as u64)?;
            Some(())
        };
        self.frames.iter().scan(bytes, fits).count()
    }
}

impl Lane {
    /// Its number in the order of being taken; accepted ones get theirs from their files.
    pub(super) fn number(self) -> u64 {
        match self {
            Lane::Failed { number } => number,
            Lane::Accepted => 0,
        }
    }
}

impl Written {
    pub(super) fn none(error: SpoolError) -> Written {
        Written {
            frames: 0,
            error: Some(error),
        }
    }

    /// What to say of each of the `count` frames of the run.
    pub(super) fn outcomes(self, count: usize) -> impl Iterator<Item = Result<(), SpoolError>> {
        let refused = count.saturating_sub(self.frames);
        let errors = self.error.into_iter();
        let errors = errors.flat_map(move |error| repeat_n(Err(error), refused));
        repeat_n(Ok(()), self.frames).chain(errors)
    }
}
