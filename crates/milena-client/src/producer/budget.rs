//! The bound on what the producer buffers, accounted a batch at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::{ProduceError, ProduceErrorKind};

/// Bytes that batches may hold together.
#[derive(Debug)]
pub(super) struct Budget {
    free_bytes: Arc<Semaphore>,
    total_bytes: usize,
    waiting: AtomicUsize,
}

impl Budget {
    pub(super) fn new(total_bytes: usize) -> Self {
        Budget {
            free_bytes: Arc::new(Semaphore::new(total_bytes)),
            total_bytes,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Takes `bytes` if they are free and nobody waits for space.
    pub(super) fn try_reserve(&self, bytes: usize) -> Option<Reservation> {
        let permits = u32::try_from(bytes).ok()?;
        self.free_bytes.try_acquire_many(permits).ok()?.forget();
        Some(Reservation {
            bytes,
            free_bytes: self.free_bytes.clone(),
        })
    }

    /// Waits until `bytes` are free, first come first served.
    pub(super) async fn reserve(
        &self,
        bytes: usize,
        max_block: Duration,
    ) -> Result<Reservation, ProduceError> {
        let too_large = || ProduceErrorKind::RecordTooLarge {
            record_bytes: bytes,
            setting: "buffer.memory",
            limit_bytes: self.total_bytes,
        };
        let permits = u32::try_from(bytes)
            .ok()
            .filter(|_| bytes <= self.total_bytes);
        let permits = permits.ok_or_else(too_large)?;
        match tokio::time::timeout(max_block, self.free_bytes.acquire_many(permits)).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(Reservation {
                    bytes,
                    free_bytes: self.free_bytes.clone(),
                })
            }
            Ok(Err(_closed)) => Err(ProduceErrorKind::Closed.into()),
            Err(_elapsed) => Err(ProduceErrorKind::BufferFull { waited: max_block }.into()),
        }
    }

    /// Declares that somebody waits for space, until the guard is dropped.
    pub(super) fn press(&self) -> Pressure<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Pressure(&self.waiting)
    }

    /// Whether somebody waits for space: then batches go out without lingering.
    pub(super) fn is_under_pressure(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether nothing is reserved.
    pub(super) fn is_unused(&self) -> bool {
        self.free_bytes.available_permits() == self.total_bytes
    }

    /// Turns away everybody who waits for space, now and later.
    pub(super) fn close(&self) {
        self.free_bytes.close();
    }
}

/// A caller that waits for space, until it is dropped.
pub(super) struct Pressure<'a>(&'a AtomicUsize);

impl Drop for Pressure<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A share of the budget; dropping it gives the bytes back.
#[derive(Debug)]
pub(super) struct Reservation {
    bytes: usize,
    free_bytes: Arc<Semaphore>,
}

impl Reservation {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds another share to this one.
    pub(super) fn merge(&mut self, mut other: Reservation) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.free_bytes.add_permits(self.bytes);
    }
}

#[cfg(test)]
mod tests;
