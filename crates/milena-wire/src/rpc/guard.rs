//! A bounded way into the decoder of `kafka-protocol`, which makes room for as many elements as
//! an array announces before it has seen one: eight crafted bytes could end the process. Knows no
//! message's shape.
//!
//! The decoder reads through a [`GuardedBuffer`], which sees numbers but not what they are for.
//! A number that would be harmless as a count is passed on. Any other one is either a length of
//! bytes, which the decoder shows by asking for those bytes next; or a count, which must be
//! refused; or a plain value, such as a timeout. Compact counts are never plain values, so the
//! first pass settles them. For the others, [`decode`] runs up to three passes:
//! 1. 1 in place of each such number: finds out which are lengths. Most messages have none and
//!    are done here.
//! 2. -2 in place of each number left: no value minds, and every array refuses it.
//! 3. The numbers as they are, since none of them is a count.

use crate::limits::ARRAY_ELEMENTS_MAX;
use crate::varint;
use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::buf::{ByteBuf, NotEnoughBytesError};
use std::collections::BTreeSet;
use std::ops::Range;

/// As a count, never worth a refusal.
const HARMLESS_COUNT: usize = 1 << 12;
/// Stands in for a number to see what it is for: the length of one byte, or one element.
const PROBE: i32 = 1;
/// The same for a compact length, which is one more than what it stands for.
const COMPACT_PROBE: u8 = 2;
/// No array accepts it; -1 would be one that is absent.
const REFUSED: i32 = -2;

/// Decodes one message from the front of `body`, with room only for what `body` can hold.
pub(super) fn decode<M: Decodable>(body: &mut Bytes, version: i16) -> Result<M, String> {
    let mut buffer = GuardedBuffer::new(body.clone(), Pass::Probe, BTreeSet::new());
    let mut result = buffer.decode(version);
    if buffer.has_undecided {
        buffer = GuardedBuffer::new(body.clone(), Pass::Refuse, buffer.lengths);
        buffer.decode::<M>(version)?;
        buffer = GuardedBuffer::new(body.clone(), Pass::Trust, BTreeSet::new());
        result = buffer.decode(version);
    }
    let message = result?;
    *body = buffer.rest;
    Ok(message)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Probe,
    Refuse,
    Trust,
}

/// A number the decoder was given a probe for.
#[derive(Clone, Copy)]
enum Pending {
    Plain(usize),
    Compact(usize),
}

struct GuardedBuffer {
    rest: Bytes,
    pass: Pass,
    /// Where lengths were found, as the number of bytes behind them.
    lengths: BTreeSet<usize>,
    pending: Option<Pending>,
    has_undecided: bool,
    /// How many bytes of a compact number are still to be handed out.
    compact_bytes_left: usize,
}

impl GuardedBuffer {
    fn new(rest: Bytes, pass: Pass, lengths: BTreeSet<usize>) -> Self {
        Self {
            rest,
            pass,
            lengths,
            pending: None,
            has_undecided: false,
            compact_bytes_left: 0,
        }
    }

    fn decode<M: Decodable>(&mut self, version: i16) -> Result<M, String> {
        let result = M::decode(self, version).map_err(|error| error.to_string());
        self.settle();
        match self.pending {
            Some(Pending::Compact(_)) => Err(self.refusal()),
            _ => result,
        }
    }

    fn refusal(&self) -> String {
        format!(
            "a count is above what {} bytes can hold or {ARRAY_ELEMENTS_MAX}",
            self.rest.len()
        )
    }

    /// Whether room for this many elements may be made with `bytes` left.
    fn is_plausible_count(count: usize, bytes: usize) -> bool {
        count <= HARMLESS_COUNT || count <= bytes.min(ARRAY_ELEMENTS_MAX)
    }

    /// A plain number was not followed by a request for its bytes: a value or a count.
    fn settle(&mut self) {
        if let Some(Pending::Plain(_)) = self.pending {
            self.pending = None;
            self.has_undecided = true;
        }
    }

    /// What the decoder is to see in place of a plain number.
    fn show_plain(&mut self, number: i32) -> i32 {
        let Ok(count) = usize::try_from(number) else {
            return number;
        };
        if Self::is_plausible_count(count, self.rest.len()) {
            return number;
        }
        match self.pass {
            Pass::Probe => {
                self.pending = Some(Pending::Plain(count));
                PROBE
            }
            Pass::Refuse if !self.lengths.contains(&self.rest.len()) => REFUSED,
            Pass::Refuse | Pass::Trust => number,
        }
    }

    /// The next byte of a compact number; all of it at once when it is replaced by a probe.
    fn show_compact(&mut self) -> Option<u8> {
        let first = *self.rest.first()?;
        if self.compact_bytes_left > 0 {
            self.compact_bytes_left -= 1;
        } else if first >= 0x80 {
            let mut behind: &[u8] = &self.rest;
            let number = varint::read_u32(&mut behind).ok()? as usize;
            let number_bytes = self.rest.len() - behind.len();
            if !Self::is_plausible_count(number.saturating_sub(1), behind.len()) {
                self.rest.advance(number_bytes);
                self.pending = Some(Pending::Compact(number));
                return Some(COMPACT_PROBE);
            }
            self.compact_bytes_left = number_bytes - 1;
        }
        self.rest.advance(1);
        Some(first)
    }

    /// How many bytes the decoder really means when it asks for `size`.
    fn meant_size(&mut self, size: usize) -> usize {
        match self.pending.take() {
            Some(Pending::Plain(length)) if size == PROBE as usize => {
                self.lengths.insert(self.rest.len());
                length
            }
            // One less than its number is a field's length, the number itself a tagged field's.
            Some(Pending::Compact(number)) if size + 1 == usize::from(COMPACT_PROBE) => number - 1,
            Some(Pending::Compact(number)) if size == usize::from(COMPACT_PROBE) => number,
            other => {
                self.pending = other;
                size
            }
        }
    }
}

impl Buf for GuardedBuffer {
    fn remaining(&self) -> usize {
        // A compact number that is no length is a count, or a tag nobody uses: nothing more to
        // read.
        match self.pending {
            Some(Pending::Compact(_)) => 0,
            _ => self.rest.len(),
        }
    }

    fn chunk(&self) -> &[u8] {
        &self.rest
    }

    fn advance(&mut self, count: usize) {
        self.settle();
        self.rest.advance(count);
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        self.settle();
        let available = self.remaining();
        let shown = if available == 0 {
            None
        } else {
            self.show_compact()
        };
        shown.ok_or(TryGetError {
            requested: 1,
            available: 0,
        })
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        self.settle();
        let available = self.remaining();
        let number = self.rest.first_chunk().copied().filter(|_| available > 0);
        let number = number.ok_or(TryGetError {
            requested: size_of::<i32>(),
            available,
        })?;
        self.rest.advance(size_of::<i32>());
        Ok(self.show_plain(i32::from_be_bytes(number)))
    }
}

impl ByteBuf for GuardedBuffer {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        let end = range.end.min(self.rest.len());
        self.rest.slice(range.start.min(end)..end)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.rest.split_to(size.min(self.rest.len()))
    }

    fn try_get_bytes(&mut self, size: usize) -> Result<Bytes, NotEnoughBytesError> {
        let size = self.meant_size(size);
        self.settle();
        if size > self.remaining() {
            Err(NotEnoughBytesError)
        } else {
            Ok(self.get_bytes(size))
        }
    }
}
