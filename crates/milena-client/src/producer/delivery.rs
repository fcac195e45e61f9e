//! The acknowledgement of a record, without a channel or an allocation a record.
//!
//! A batch has one [`BatchOutcome`]; a [`Delivery`] is a reference to it and the record's index.
//! The batch completes once and wakes those who wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::ProduceError;
use super::record::RecordMetadata;

/// The broker's answer for a whole batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchAcknowledgement {
    pub(super) base_offset: Option<i64>,
    pub(super) log_append_time: Option<i64>,
}

/// The shared fate of the records of one batch.
#[derive(Debug)]
pub(super) struct BatchOutcome {
    partition: i32,
    result: OnceLock<Result<BatchAcknowledgement, ProduceError>>,
    waiters: Mutex<Vec<Waker>>,
}

impl BatchOutcome {
    pub(super) fn new(partition: i32) -> Arc<Self> {
        Arc::new(BatchOutcome {
            partition,
            result: OnceLock::new(),
            waiters: Mutex::default(),
        })
    }

    /// Settles the batch and wakes every waiter. Only the first call counts: a batch that timed
    /// out stays timed out, whatever the broker answers later.
    pub(super) fn complete(&self, result: Result<BatchAcknowledgement, ProduceError>) {
        if self.result.set(result).is_ok() {
            let waiters = std::mem::take(&mut *self.lock_waiters());
            waiters.into_iter().for_each(Waker::wake);
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.result.get().is_some()
    }

    fn lock_waiters(&self) -> std::sync::MutexGuard<'_, Vec<Waker>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn record(&self, index: u32) -> Option<Result<RecordMetadata, ProduceError>> {
        Some(match self.result.get()? {
            Ok(acknowledgement) => Ok(RecordMetadata {
                partition: self.partition,
                offset: acknowledgement
                    .base_offset
                    .map(|base| base + i64::from(index)),
                log_append_time: acknowledgement.log_append_time,
            }),
            Err(error) => Err(error.clone()),
        })
    }
}

/// The acknowledgement of one record: a future that resolves once the broker has answered for its
/// batch. Awaiting deliveries in any order, late, or several at once costs nothing extra.
#[derive(Debug)]
#[must_use = "await the delivery to learn whether the record was written; drop it explicitly if that does not matter"]
pub struct Delivery {
    outcome: Arc<BatchOutcome>,
    index: u32,
    /// The place of this delivery's waker among the outcome's waiters, or [`NOT_WAITING`].
    waiter: u32,
}

const NOT_WAITING: u32 = u32::MAX;

impl Delivery {
    #[inline]
    pub(super) fn new(outcome: Arc<BatchOutcome>, index: u32) -> Self {
        Delivery {
            outcome,
            index,
            waiter: NOT_WAITING,
        }
    }

    /// The answer, if it is there already.
    #[must_use]
    pub fn try_result(&self) -> Option<Result<RecordMetadata, ProduceError>> {
        self.outcome.record(self.index)
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, ProduceError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.outcome.record(self.index) {
            Some(result) => Poll::Ready(result),
            None => self.wait(context),
        }
    }
}

impl Delivery {
    #[cold]
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Result<RecordMetadata, ProduceError>> {
        let mut waiters = self.outcome.lock_waiters();
        // The batch may have completed before the lock was taken; its wake-ups would miss us.
        if let Some(result) = self.outcome.record(self.index) {
            return Poll::Ready(result);
        }
        match waiters.get_mut(self.waiter as usize) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                self.waiter = waiters.len() as u32;
                waiters.push(context.waker().clone());
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
