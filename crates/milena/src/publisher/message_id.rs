//! Message ids: unique, as UUIDs, without asking the system for randomness each time.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// The bits below a random UUID's variant field.
const COUNTER_BITS: u128 = (1 << 62) - 1;

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
