//! Message ids: unique, as UUIDs, without asking the system for randomness each time.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// The bits below a random UUID's variant field.
const COUNTER_BITS: u128 = (1 << 62) - 1;

/// The id of a published message, as its header `milena-message-id` carries it: given with
/// [`Outgoing::id`](crate::Outgoing::id), or made.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageId(Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    Made(Uuid),
    Given(Box<[u8]>),
}

impl MessageId {
    pub(super) fn made(id: Uuid) -> MessageId {
        MessageId(Kind::Made(id))
    }

    pub(super) fn given(id: &[u8]) -> MessageId {
        MessageId(Kind::Given(id.into()))
    }

    /// An id that was made, from what its header has; `None` if it was not.
    pub(super) fn of_text(text: &[u8]) -> Option<MessageId> {
        Uuid::try_parse_ascii(text).ok().map(MessageId::made)
    }

    /// An id that was made; `None` for one that the message carries as a header.
    pub(super) fn made_id(&self) -> Option<Uuid> {
        match &self.0 {
            Kind::Made(id) => Some(*id),
            Kind::Given(_) => None,
        }
    }

    /// The text of an id that was made, written into `room`; `None` for one that the message
    /// carries as a header.
    pub(super) fn made_text<'a>(&self, room: &'a mut [u8; Hyphenated::LENGTH]) -> Option<&'a [u8]> {
        match &self.0 {
            Kind::Made(id) => Some(id.hyphenated().encode_lower(room).as_bytes()),
            Kind::Given(_) => None,
        }
    }
}

impl fmt::Display for MessageId {
    /// As the header has it; what is not UTF-8 shows as `\u{fffd}`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Made(id) => id.fmt(formatter),
            Kind::Given(id) => String::from_utf8_lossy(id).fmt(formatter),
        }
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MessageId({self})")
    }
}

/// Hands out UUIDs: 60 random bits that no other process has, and a number that counts up
/// from a random one.
#[derive(Debug)]
pub(crate) struct MessageIds {
    base: u128,
    next: AtomicU64,
}

impl MessageIds {
    pub(crate) fn new() -> MessageIds {
        let base = Uuid::new_v4().as_u128();
        let low = u64::try_from(base & COUNTER_BITS).expect("invariant: 62 bits fit into 64");
        MessageIds {
            base: base & !COUNTER_BITS,
            next: AtomicU64::new(low),
        }
    }

    pub(crate) fn next(&self) -> Uuid {
        let number = u128::from(self.next.fetch_add(1, Ordering::Relaxed));
        Uuid::from_u128(self.base | (number & COUNTER_BITS))
    }
}

#[cfg(test)]
mod tests;
