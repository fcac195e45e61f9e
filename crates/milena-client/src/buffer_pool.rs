//! Buffers that are done with, kept for the next use: memory that the process already has costs no
//! page faults and is warm in the cache. Knows nothing of what is in them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Spare buffers, up to a number and a size together.
#[derive(Debug)]
pub(crate) struct BufferPool {
    buffers_max: usize,
    bytes_max: usize,
    spare: Mutex<Spare>,
}

#[derive(Debug, Default)]
struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl BufferPool {
    /// Keeps at most `buffers_max` buffers of `bytes_max` together.
    pub(crate) fn new(buffers_max: usize, bytes_max: usize) -> Arc<Self> {
        Arc::new(BufferPool {
            buffers_max,
            bytes_max,
            spare: Mutex::default(),
        })
    }

    /// A spare buffer that has room for `bytes`, and not much more; without one, none that has
    /// room for anything.
    pub(crate) fn take(&self, bytes: usize) -> Vec<u8> {
        let mut spare = self.lock();
        let fits =
            |buffer: &Vec<u8>| (bytes..=bytes.saturating_mul(2)).contains(&buffer.capacity());
        // The last one returned is the warmest.
        let Some(position) = spare.buffers.iter().rposition(fits) else {
            return Vec::new();
        };
        let buffer = spare.buffers.swap_remove(position);
        spare.bytes -= buffer.capacity();
        buffer
    }

    /// Gives the spare buffers back to the system.
    pub(crate) fn clear(&self) {
        *self.lock() = Spare::default();
    }

    /// Keeps `buffer` for another use if there is room.
    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        let mut spare = self.lock();
        let bytes = spare.bytes + buffer.capacity();
        if spare.buffers.len() < self.buffers_max && bytes <= self.bytes_max {
            spare.bytes = bytes;
            spare.buffers.push(buffer);
        }
    }

    /// The content of `buffer`, which comes back when nobody reads it any more. Not earlier: a
    /// socket may still do (KAFKA-19012, pitfall 9).
    pub(crate) fn lend(self: &Arc<Self>, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent {
            buffer,
            pool: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that others read.
struct Lent {
    buffer: Vec<u8>,
    pool: Arc<BufferPool>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests;
