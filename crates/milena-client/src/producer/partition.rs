//! One partition on its way out: the batches that callers fill, and the window that sends them.
//!
//! Two locks, so that appending never waits for a send: `queue` is taken once a record by callers,
//! and briefly by the sender to take a batch; `window` only by senders, a few times a request.
//! Where both are needed, `window` comes first.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use milena_wire::batch::{BATCH_HEADER_BYTES, Header, RecordData};

use super::batch::OpenBatch;
use super::budget::{Budget, Reservation};
use super::delivery::{BatchOutcome, Delivery};
use super::error::ProduceError;
use super::limits::{BATCH_BYTES_INITIAL_MIN, RECORD_OVERHEAD_BYTES_MAX};
use super::record::Record;
use super::window::SendWindow;
use crate::NodeId;

const NO_LEADER: i32 = -1;

/// A partition that records are produced to.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) topic: Arc<str>,
    pub(super) index: i32,
    leader: AtomicI32,
    /// Whether a sender's ready list holds this partition.
    queued: AtomicBool,
    queue: Mutex<Queue>,
    window: Mutex<SendWindow>,
}

/// The batches that are not sent yet.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Batches that were full when the next one was opened, oldest first.
    full: VecDeque<OpenBatch>,
    open: Option<OpenBatch>,
    /// No new batch may be opened.
    closed: bool,
    /// Bytes appended since the sticky partitioner last moved on.
    sticky_bytes: usize,
    /// The size of the last batch, as the first guess for the next.
    batch_bytes_guess: usize,
}

/// What an append set in motion.
#[derive(Debug)]
pub(super) struct Appended {
    pub(super) delivery: Delivery,
    /// A batch was opened at this time: its linger runs from here.
    pub(super) opened_at: Option<Instant>,
    /// A batch is full and may go out at once.
    pub(super) filled: bool,
    /// About a batch's worth went to this partition: the sticky partitioner moves on.
    pub(super) sticky_done: bool,
}

/// Why a record was not appended.
#[derive(Debug)]
pub(super) enum NotAppended {
    /// So many bytes have to be reserved first.
    NeedsBuffer(usize),
    Failed(ProduceError),
}

/// The limits that appending obeys.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLimits {
    pub(super) batch_bytes_max: usize,
    pub(super) request_bytes_max: usize,
}

impl Partition {
    pub(super) fn new(topic: Arc<str>, index: i32, window: SendWindow) -> Self {
        Partition {
            topic,
            index,
            leader: AtomicI32::new(NO_LEADER),
            queued: AtomicBool::new(false),
            queue: Mutex::default(),
            window: Mutex::new(window),
        }
    }

    pub(super) fn leader(&self) -> Option<NodeId> {
        Some(self.leader.load(Ordering::Acquire))
            .filter(|id| *id != NO_LEADER)
            .map(NodeId)
    }

    /// Takes the leader from new metadata; tells whether it changed.
    pub(super) fn set_leader(&self, leader: Option<NodeId>) -> bool {
        let id = leader.map_or(NO_LEADER, |node| node.0);
        self.leader.swap(id, Ordering::AcqRel) != id
    }

    /// Marks the partition as held by a ready list; true for the one who has to put it there.
    pub(super) fn mark_queued(&self) -> bool {
        !self.queued.swap(true, Ordering::AcqRel)
    }

    pub(super) fn clear_queued(&self) {
        self.queued.store(false, Ordering::Release);
    }

    pub(super) fn window(&self) -> MutexGuard<'_, SendWindow> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes a record into the open batch, or a new one, under `timestamp`. `reserved` is buffer space that the
    /// caller waited for; what is not needed of it is given back.
    pub(super) fn append(
        &self,
        record: &Record<'_>,
        timestamp: i64,
        limits: &BatchLimits,
        budget: &Budget,
        reserved: Option<Reservation>,
        urgent: bool,
    ) -> Result<Appended, NotAppended> {
        let data = RecordData {
            timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        let record_bytes = record_bytes_max(record);
        let mut queue = self.queue();
        let (opened_at, filled) =
            queue.make_room(self.index, record_bytes, limits, budget, reserved)?;
        queue.sticky_bytes += record_bytes;
        let sticky_done = queue.sticky_bytes >= limits.batch_bytes_max;
        if sticky_done {
            queue.sticky_bytes = 0;
        }
        let open = queue
            .open
            .as_mut()
            .expect("invariant: make_room leaves an open batch");
        open.urgent |= urgent;
        let index = match open.append(&data) {
            Ok(index) => index,
            Err(error) => {
                queue.drop_empty();
                return Err(NotAppended::Failed(error));
            }
        };
        let delivery = Delivery::new(open.outcome.clone(), index);
        Ok(Appended {
            delivery,
            opened_at,
            filled,
            sticky_done,
        })
    }

    /// Whether anything waits to be sent, for the first time or again.
    pub(super) fn has_unsent(&self) -> bool {
        self.window().has_retries() || !self.queue().is_empty()
    }

    /// Outcomes of everything accepted and not settled, after marking it to go out at once.
    pub(super) fn flush_outcomes(&self) -> Vec<Arc<BatchOutcome>> {
        let window = self.window();
        let mut outcomes: Vec<_> = window.outcomes().cloned().collect();
        let mut queue = self.queue();
        outcomes.extend(queue.full.iter().map(|batch| batch.outcome.clone()));
        if let Some(open) = queue.open.as_mut() {
            open.flush = true;
            outcomes.push(open.outcome.clone());
        }
        outcomes
    }

    /// Gives up what is past its delivery timeout; tells whether anything is left.
    pub(super) fn expire(&self, now: Instant, delivery_timeout: Duration) -> bool {
        let timed_out = |maybe_written| ProduceError::TimedOut {
            topic: self.topic.clone(),
            partition: self.index,
            after: delivery_timeout,
            maybe_written,
        };
        let mut window = self.window();
        window.expire(now, timed_out);
        let mut queue = self.queue();
        while queue
            .oldest()
            .is_some_and(|batch| batch.opened_at + delivery_timeout <= now)
        {
            if let Some(batch) = queue.pop_oldest() {
                batch.outcome.complete(Err(timed_out(false)));
            }
        }
        queue.oldest().is_some() || window.outcomes().next().is_some()
    }

    /// Settles everything with `error`.
    pub(super) fn fail_all(&self, error: &ProduceError) {
        self.window().fail_all(error);
        let mut queue = self.queue();
        while let Some(batch) = queue.pop_oldest() {
            batch.outcome.complete(Err(error.clone()));
        }
    }
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.full.is_empty() && self.open.is_none()
    }

    /// The next batch to send, full or not.
    pub(super) fn oldest(&self) -> Option<&OpenBatch> {
        self.full.front().or(self.open.as_ref())
    }

    pub(super) fn pop_oldest(&mut self) -> Option<OpenBatch> {
        self.full.pop_front().or_else(|| {
            let open = self.open.take()?;
            self.batch_bytes_guess = open.encoded_bytes();
            Some(open)
        })
    }

    /// Gives up the open batch if nothing got into it.
    #[cold]
    fn drop_empty(&mut self) {
        self.open.take_if(|open| open.records_count() == 0);
    }

    /// Opens no batch from here on.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn has_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// Leaves an open batch with room for `record_bytes`.
    #[inline]
    fn make_room(
        &mut self,
        partition: i32,
        record_bytes: usize,
        limits: &BatchLimits,
        budget: &Budget,
        reserved: Option<Reservation>,
    ) -> Result<(Option<Instant>, bool), NotAppended> {
        if let Some(open) = &self.open
            && open.encoded_bytes() + record_bytes <= open.capacity_bytes()
        {
            return Ok((None, false));
        }
        self.make_room_slow(partition, record_bytes, limits, budget, reserved)
    }

    #[cold]
    fn make_room_slow(
        &mut self,
        partition: i32,
        record_bytes: usize,
        limits: &BatchLimits,
        budget: &Budget,
        reserved: Option<Reservation>,
    ) -> Result<(Option<Instant>, bool), NotAppended> {
        if self.closed {
            return Err(NotAppended::Failed(ProduceError::Closed));
        }
        let alone_bytes = BATCH_HEADER_BYTES + record_bytes;
        if alone_bytes > limits.request_bytes_max {
            return Err(NotAppended::Failed(ProduceError::RecordTooLarge {
                record_bytes: alone_bytes,
                setting: "max.request.size",
                limit_bytes: limits.request_bytes_max,
            }));
        }
        if self.grow(record_bytes, limits, budget) {
            return Ok((None, false));
        }
        // A little more than the last batch took, so that one of the same size need not grow.
        let guess = self.batch_bytes_guess + self.batch_bytes_guess / 8;
        let wanted = guess
            .max(BATCH_BYTES_INITIAL_MIN)
            .min(limits.batch_bytes_max)
            .max(alone_bytes);
        let reservation = reserved
            .filter(|reservation| reservation.bytes() >= alone_bytes)
            .or_else(|| budget.try_reserve(wanted))
            .ok_or(NotAppended::NeedsBuffer(wanted))?;
        let filled = self.close_open();
        let opened_at = Instant::now();
        self.open = Some(OpenBatch::new(partition, reservation, opened_at));
        Ok((Some(opened_at), filled))
    }

    /// Doubles the open batch's room, within the limits and the budget.
    fn grow(&mut self, record_bytes: usize, limits: &BatchLimits, budget: &Budget) -> bool {
        let Some(open) = self.open.as_mut() else {
            return false;
        };
        let needed = open.encoded_bytes() + record_bytes;
        if needed > limits.batch_bytes_max {
            return false;
        }
        let capacity = (open.capacity_bytes() * 2).clamp(needed, limits.batch_bytes_max);
        let more = capacity - open.capacity_bytes();
        budget
            .try_reserve(more)
            .map(|reservation| open.grow(reservation))
            .is_some()
    }

    /// Queues the open batch as full; tells whether there was one.
    fn close_open(&mut self) -> bool {
        let Some(open) = self.open.take() else {
            return false;
        };
        self.batch_bytes_guess = open.encoded_bytes();
        self.full.push_back(open);
        true
    }
}

/// What a record takes in a batch, at most: its bytes, and each length and delta at its longest.
#[inline]
fn record_bytes_max(record: &Record<'_>) -> usize {
    let field = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let header = |header: &Header<'_>| 10 + header.key.len() + field(header.value);
    let headers: usize = record.headers.iter().map(header).sum();
    RECORD_OVERHEAD_BYTES_MAX + field(record.key) + field(record.value) + headers
}
