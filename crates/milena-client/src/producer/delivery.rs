//! The acknowledgement of a record, without a channel or an allocation a record.
//!
//! A batch has one [`BatchOutcome`]; a [`Delivery`] is a reference to it and the record's index.
//! The batch completes once and wakes those who wait.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::budget::Reservation;
use super::callbacks::{Callback, Callbacks};
use super::error::ProduceError;
use super::record::RecordMetadata;
use super::sink::Kept;

/// The broker's answer for a whole batch; what it does not tell is below zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchAcknowledgement {
    pub(super) base_offset: i64,
    pub(super) log_append_time: i64,
}

impl BatchAcknowledgement {
    /// Of a batch that no broker answers for.
    pub(super) const UNKNOWN: Self = BatchAcknowledgement {
        base_offset: -1,
        log_append_time: -1,
    };

    #[inline]
    fn record(&self, partition: i32, index: u32) -> RecordMetadata {
        let offset = match self.base_offset {
            unknown @ ..0 => unknown,
            base => base + i64::from(index),
        };
        RecordMetadata::new(partition, offset, self.log_append_time)
    }
}

/// What became of a batch, or of a part of it.
pub(super) type BatchResult = Result<BatchAcknowledgement, ProduceError>;

/// Records that share a fate: from this index on, up to the next part's.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) first_index: u32,
    pub(super) result: BatchResult,
}

#[derive(Debug, Clone)]
enum Settled {
    /// All records alike, which is the rule.
    Whole(BatchResult),
    /// In the order of their indices, from 0 on.
    Parts(Vec<Part>),
}

/// The shared fate of the records of one batch.
#[derive(Debug)]
pub(super) struct BatchOutcome {
    partition: i32,
    settled: OnceLock<Settled>,
    waiters: Mutex<Waiters>,
    /// Of a batch that was split; the last of them to be settled settles the whole.
    pieces: Mutex<Pieces>,
}

#[derive(Debug, Default)]
struct Pieces {
    /// How many there are beside the first.
    more: usize,
    settled: Vec<Part>,
}

/// Who is woken when the batch is settled: deliveries by their record's index, then others.
#[derive(Default)]
struct Waiters {
    wakers: BTreeMap<u64, Waker>,
    others: u64,
    reports: Option<Reports>,
    held: Option<Held>,
}

/// Callbacks with their records' indices, and who calls them.
struct Reports {
    callbacks: Arc<Callbacks>,
    waiting: Vec<(u32, Callback)>,
}

/// What a batch that takes no more records leaves here until it is settled and reported.
pub(super) struct Held {
    /// Its share of the buffer.
    pub(super) space: Arc<Reservation>,
    /// What is kept of its records for sinks …
    pub(super) kept: Option<Kept>,
    /// … and the batch itself, for them.
    pub(super) bytes: Option<Bytes>,
}

/// What became of the records of a batch, apart from it.
#[derive(Debug)]
pub(super) struct Fates {
    partition: i32,
    settled: Settled,
}

impl Fates {
    pub(super) fn partition(&self) -> i32 {
        self.partition
    }

    #[inline]
    pub(super) fn record(&self, index: u32) -> Option<Result<RecordMetadata, ProduceError>> {
        self.settled.record(self.partition, index)
    }

    /// Whether the broker has all these records.
    #[inline]
    pub(super) fn are_written(&self, indices: &Range<u32>) -> bool {
        match &self.settled {
            Settled::Whole(result) => result.is_ok(),
            Settled::Parts(_) => {
                let is_written = |index| matches!(self.record(index), Some(Ok(_)));
                indices.clone().all(is_written)
            }
        }
    }
}

impl Settled {
    #[inline]
    fn record(&self, partition: i32, index: u32) -> Option<Result<RecordMetadata, ProduceError>> {
        let (result, index) = match self {
            Settled::Whole(result) => (result, index),
            Settled::Parts(parts) => find_part(parts, index)?,
        };
        Some(match result {
            Ok(acknowledgement) => Ok(acknowledgement.record(partition, index)),
            Err(error) => Err(error.clone()),
        })
    }
}

impl BatchOutcome {
    pub(super) fn new(partition: i32) -> Arc<Self> {
        Arc::new(BatchOutcome {
            partition,
            settled: OnceLock::new(),
            waiters: Mutex::default(),
            pieces: Mutex::default(),
        })
    }

    /// Takes what its batch has for those who hear of it; before it is settled, once.
    pub(super) fn hold(&self, held: Held) {
        self.lock_waiters().held = Some(held);
    }

    /// Settles the batch and wakes every waiter. Only the first call counts: a batch that timed
    /// out stays timed out, whatever the broker answers later.
    pub(super) fn complete(&self, result: BatchResult) {
        self.settle(Settled::Whole(result));
    }

    /// Settles the batch with a fate for each part; the first begins at index 0.
    pub(super) fn complete_parts(&self, parts: Vec<Part>) {
        self.settle(Settled::Parts(parts));
    }

    /// The batch has one piece more, as one of them was split.
    pub(super) fn add_piece(&self) {
        self.lock_pieces().more += 1;
    }

    /// Settles the piece that begins with the record `first_index`, and with the last of them the
    /// batch. Only the first call counts for each.
    pub(super) fn complete_piece(&self, first_index: u32, result: BatchResult) {
        let mut pieces = self.lock_pieces();
        if pieces.more == 0 {
            drop(pieces);
            return self.complete(result);
        }
        if pieces.is_settled(first_index) {
            return;
        }
        pieces.settled.push(Part {
            first_index,
            result,
        });
        if pieces.settled.len() > pieces.more {
            let mut parts = std::mem::take(&mut pieces.settled);
            drop(pieces);
            parts.sort_by_key(|part| part.first_index);
            self.complete_parts(parts);
        }
    }

    /// Whether the batch has more than one piece.
    pub(super) fn is_split(&self) -> bool {
        self.lock_pieces().more > 0
    }

    /// Whether nothing more is to be said of the piece that begins there.
    pub(super) fn is_piece_complete(&self, first_index: u32) -> bool {
        self.is_complete() || self.lock_pieces().is_settled(first_index)
    }

    fn settle(&self, settled: Settled) {
        if self.settled.set(settled).is_ok() {
            let mut waiters = self.lock_waiters();
            self.report(waiters.reports.take(), waiters.held.take());
            let wakers = std::mem::take(&mut waiters.wakers);
            drop(waiters);
            wakers.into_values().for_each(Waker::wake);
        }
    }

    fn report(&self, reports: Option<Reports>, held: Option<Held>) {
        let space = held.as_ref().map(|held| held.space.clone());
        if let (Some(held), Some(settled)) = (held, self.settled.get())
            && let Some(kept) = held.kept
        {
            let (partition, settled) = (self.partition, settled.clone());
            let (callbacks, work) = kept.report(Fates { partition, settled }, held.bytes);
            callbacks.work(work, Some(held.space));
        }
        if let Some(Reports { callbacks, waiting }) = reports {
            let call = |(index, callback)| Some((callback, self.record(index)?));
            callbacks.run(waiting.into_iter().filter_map(call).collect(), space);
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.settled.get().is_some()
    }

    /// Waits until the batch is settled, one way or the other.
    pub(super) async fn settled(&self) {
        let key = {
            let mut waiters = self.lock_waiters();
            waiters.others += 1;
            u64::from(u32::MAX) + waiters.others
        };
        poll_fn(|context| {
            let mut waiters = self.lock_waiters();
            if self.is_complete() {
                return Poll::Ready(());
            }
            waiters.wakers.insert(key, context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn lock_waiters(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn record(&self, index: u32) -> Option<Result<RecordMetadata, ProduceError>> {
        self.settled.get()?.record(self.partition, index)
    }

    fn lock_pieces(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pieces {
    fn is_settled(&self, first_index: u32) -> bool {
        let mut settled = self.settled.iter();
        settled.any(|part| part.first_index == first_index)
    }
}

/// The part of record `index`, and the record's index within it.
#[cold]
fn find_part(parts: &[Part], index: u32) -> Option<(&BatchResult, u32)> {
    let behind = parts.partition_point(|part| part.first_index <= index);
    let part = parts.get(behind.checked_sub(1)?)?;
    Some((&part.result, index - part.first_index))
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reports = self.reports.as_ref();
        let kept = self.held.as_ref().and_then(|held| held.kept.as_ref());
        f.debug_struct("Waiters")
            .field("wakers", &self.wakers.len())
            .field(
                "callbacks",
                &reports.map_or(0, |reports| reports.waiting.len()),
            )
            .field("kept", &kept)
            .finish()
    }
}

/// The acknowledgement of one record: a future that resolves once the broker has answered for its
/// batch. Awaiting deliveries in any order, late, or several at once costs nothing extra.
#[derive(Debug)]
#[must_use = "await the delivery to learn whether the record was written; drop it explicitly if that does not matter"]
pub struct Delivery {
    outcome: Arc<BatchOutcome>,
    index: u32,
    /// Whether the outcome has a waker of this delivery. Its spare values also are where `Result`
    /// and `Poll` keep theirs, so that an accepted record comes back in two registers.
    is_waiting: bool,
}

const _: () = assert!(size_of::<Poll<Result<Delivery, ProduceError>>>() == 16);

impl Delivery {
    #[inline]
    pub(super) fn new(outcome: Arc<BatchOutcome>, index: u32) -> Self {
        Delivery {
            outcome,
            index,
            is_waiting: false,
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
            Some(result) => {
                self.is_waiting = false;
                Poll::Ready(result)
            }
            None => self.wait(context),
        }
    }
}

impl Delivery {
    /// Has `callback` called with the answer by `callbacks`.
    pub(super) fn report(&self, callbacks: &Arc<Callbacks>, callback: Callback) {
        let mut waiters = self.outcome.lock_waiters();
        // As in `wait`: whoever completes the batch from here on sees the callback. And one that
        // joins others keeps its place among them.
        match (self.outcome.record(self.index), &mut waiters.reports) {
            (_, Some(reports)) => reports.waiting.push((self.index, callback)),
            (Some(result), None) => callbacks.run(vec![(callback, result)], None),
            (None, reports) => {
                *reports = Some(Reports {
                    callbacks: callbacks.clone(),
                    waiting: vec![(self.index, callback)],
                });
            }
        }
    }

    #[cold]
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Result<RecordMetadata, ProduceError>> {
        let mut waiters = self.outcome.lock_waiters();
        // The batch may have completed before the lock was taken; its wake-ups would miss us.
        if let Some(result) = self.outcome.record(self.index) {
            return Poll::Ready(result);
        }
        waiters
            .wakers
            .insert(self.index.into(), context.waker().clone());
        self.is_waiting = true;
        Poll::Pending
    }

    #[cold]
    fn stop_waiting(&self) {
        self.outcome
            .lock_waiters()
            .wakers
            .remove(&self.index.into());
    }
}

impl Drop for Delivery {
    #[inline]
    fn drop(&mut self) {
        if self.is_waiting {
            self.stop_waiting();
        }
    }
}

#[cfg(test)]
mod tests;
