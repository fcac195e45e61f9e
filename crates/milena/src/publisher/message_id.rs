//! Message ids: unique, as UUIDs, without asking the system for randomness each time.

use std::cell::Cell;
use std::fmt;

use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// The bits below a random UUID's variant field.
const COUNTER_BITS: u64 = (1 << 62) - 1;

/// The id of a published message, as its header `milena-message-id` carries it: given with
/// [`Outgoing::id`](crate::Outgoing::id), or made.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageId(Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    Made(MadeId),
    Given(Box<[u8]>),
}

/// A UUID that was made for a message, in its two halves: as bytes, it would be stored and loaded at
/// places that a processor does not forward between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MadeId {
    high: u64,
    low: u64,
}

impl MessageId {
    #[inline]
    pub(super) fn made(id: MadeId) -> MessageId {
        MessageId(Kind::Made(id))
    }

    pub(super) fn given(id: &[u8]) -> MessageId {
        MessageId(Kind::Given(id.into()))
    }

    /// An id that was made, from what its header has; `None` if it was not.
    pub(super) fn of_text(text: &[u8]) -> Option<MessageId> {
        let id = Uuid::try_parse_ascii(text).ok()?;
        Some(MessageId::made(id.into()))
    }

    /// An id that was made; `None` for one that the message carries as a header.
    pub(super) fn made_id(&self) -> Option<MadeId> {
        match &self.0 {
            Kind::Made(id) => Some(*id),
            Kind::Given(_) => None,
        }
    }
}

/// Bytes of an id's text.
pub(super) const TEXT_BYTES: usize = Hyphenated::LENGTH;

impl MadeId {
    /// As `Uuid::hyphenated` has it, its digits side by side in a register: every message that is
    /// published pays for it.
    #[inline]
    pub(super) fn text(self) -> [u8; TEXT_BYTES] {
        let MadeId { high, low } = self;
        let [first, second] = [hexadecimal((high >> 32) as u32), hexadecimal(high as u32)];
        let [third, fourth] = [hexadecimal((low >> 32) as u32), hexadecimal(low as u32)];
        let mut text = [b'-'; TEXT_BYTES];
        text[..8].copy_from_slice(&first);
        text[9..13].copy_from_slice(&second[..4]);
        text[14..18].copy_from_slice(&second[4..]);
        text[19..23].copy_from_slice(&third[..4]);
        text[24..28].copy_from_slice(&third[4..]);
        text[28..].copy_from_slice(&fourth);
        text
    }
}

impl From<Uuid> for MadeId {
    fn from(id: Uuid) -> MadeId {
        let (high, low) = id.as_u64_pair();
        MadeId { high, low }
    }
}

impl From<MadeId> for Uuid {
    fn from(MadeId { high, low }: MadeId) -> Uuid {
        Uuid::from_u64_pair(high, low)
    }
}

/// Eight digits: one a byte, then each made a letter or a figure.
#[inline]
fn hexadecimal(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut digits = u64::from(number);
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // Ten and more reach the next bit with six added.
    let letters = ((digits + 6 * ONES) >> 4) & ONES;
    let text = digits + u64::from(b'0') * ONES + u64::from(b'a' - b'0' - 10) * letters;
    text.to_be_bytes()
}

impl fmt::Display for MessageId {
    /// As the header has it; what is not UTF-8 shows as `\u{fffd}`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Made(id) => Uuid::from(*id).fmt(formatter),
            Kind::Given(id) => String::from_utf8_lossy(id).fmt(formatter),
        }
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MessageId({self})")
    }
}

thread_local! {
    /// The last id that was made on this thread.
    static LAST: Cell<Option<MadeId>> = const { Cell::new(None) };
}

/// An id that nobody else has: 60 random bits of this thread alone, and a number that counts up
/// from a random one. Neither asks the system nor waits for another thread.
#[inline]
pub(super) fn next() -> MadeId {
    LAST.with(|last| {
        let id = match last.get() {
            None => Uuid::new_v4().into(),
            Some(MadeId { high, low }) => MadeId {
                high,
                low: (low & !COUNTER_BITS) | (low.wrapping_add(1) & COUNTER_BITS),
            },
        };
        last.set(Some(id));
        id
    })
}

#[cfg(test)]
mod tests;
