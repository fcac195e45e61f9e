//! One partition on its way out: the batches that callers fill, and the window that sends them.
//!
//! Two locks, so that appending never waits for a send: `queue` is taken once a record by callers,
//! and briefly by the sender to take a batch; `window` only by senders, a few times a request.
//! Where both are needed, `window` comes first.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use milena_wire::batch::{BATCH_HEADER_BYTES, Header, RecordData};

use super::batch::OpenBatch;
use super::budget::{Budget, Reservation};
use super::callbacks::Callbacks;
use super::delivery::{BatchOutcome, Delivery};
use super::error::{ProduceError, ProduceErrorKind};
use super::limits::{BATCH_BYTES_INITIAL, BATCH_BYTES_INITIAL_MIN, RECORD_OVERHEAD_BYTES_MAX};
use super::metrics::PartitionMetrics;
use super::record::Record;
use super::sink::{DeliverySink, Kept};
use super::window::SendWindow;
use crate::NodeId;
use crate::buffer_pool::BufferPool;

const NO_LEADER: i32 = -1;

/// A partition that records are produced to.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(super) topic: Arc<str>,
    pub(super) index: i32,
    leader: AtomicI32,
    /// Whether a sender's ready list holds this partition.
    queued: AtomicBool,
    queue: Mutex<Queue>,
    window: Mutex<SendWindow>,
    metrics: OnceLock<PartitionMetrics>,
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

/// What an append set in motion; most set nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Appended(u8);

impl Appended {
    pub(super) const NOTHING: Self = Appended(0);
    /// A batch was opened: its linger runs from now.
    pub(super) const OPENED: Self = Appended(1);
    /// A batch is full and may go out at once.
    pub(super) const FILLED: Self = Appended(2);
    /// About a batch's worth went to this partition: the sticky partitioner moves on.
    pub(super) const STICKY_DONE: Self = Appended(4);

    #[inline]
    pub(super) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    #[inline]
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Why a record was not appended; handed around in a box, as it is rare and results are not.
#[derive(Debug)]
pub(super) enum NotAppended {
    /// So many bytes have to be reserved first.
    NeedsBuffer(usize),
    Failed(ProduceError),
}

impl From<ProduceError> for Box<NotAppended> {
    #[cold]
    fn from(error: ProduceError) -> Self {
        Box::new(NotAppended::Failed(error))
    }
}

impl From<ProduceErrorKind> for Box<NotAppended> {
    #[cold]
    fn from(kind: ProduceErrorKind) -> Self {
        ProduceError::from(kind).into()
    }
}

/// A record that is in the open batch, before anybody can take the batch away.
pub(super) struct Appending<'a> {
    topic: &'a Arc<str>,
    queue: MutexGuard<'a, Queue>,
    index: u32,
}

impl Appending<'_> {
    /// Leaves an item with the batch, for `sink` to hear of by `callbacks`.
    #[inline]
    pub(super) fn keep<S: DeliverySink>(
        mut self,
        sink: &Arc<S>,
        item: S::Item,
        callbacks: &Arc<Callbacks>,
    ) {
        let open = self.queue.open_batch();
        let new = || Kept::new(self.topic, callbacks);
        let kept = open.kept.get_or_insert_with(new);
        kept.take(sink, self.index, item);
    }
}

/// What batches are made of.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) limits: BatchLimits,
    pub(super) budget: Budget,
    pub(super) pool: Arc<BufferPool>,
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
            metrics: OnceLock::new(),
        }
    }

    /// What is measured of this partition, from its first batch on.
    pub(super) fn metrics(&self) -> &PartitionMetrics {
        let new = || PartitionMetrics::new(&self.topic, self.index);
        self.metrics.get_or_init(new)
    }

    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    pub(crate) fn index(&self) -> i32 {
        self.index
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

    #[inline]
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes a record into the open batch, or a new one, under `timestamp`. `reserved` is buffer
    /// space that the caller waited for and is taken where it is needed. Adds to `appended` what
    /// that set in motion.
    pub(super) fn append(
        &self,
        record: &Record<'_>,
        timestamp: i64,
        buffers: &Buffers,
        reserved: &mut Option<Reservation>,
        urgent: bool,
        appended: &mut Appended,
    ) -> Result<Delivery, Box<NotAppended>> {
        let mut queue = self.make_room(record, buffers, reserved, appended)?;
        let open = queue.open_batch();
        open.urgent |= urgent;
        // Before the record is written: an atomic operation waits for all stores before it.
        let outcome = open.outcome.clone();
        let written = open.append(&data(record, timestamp));
        let index = queue.note_written(written)?;
        Ok(Delivery::new(outcome, index))
    }

    /// As [`Partition::append`], for a record of which something is to be kept with the batch:
    /// [`Appending::keep`] it then.
    pub(super) fn append_for(
        &self,
        record: &Record<'_>,
        timestamp: i64,
        buffers: &Buffers,
        reserved: &mut Option<Reservation>,
        appended: &mut Appended,
    ) -> Result<Appending<'_>, Box<NotAppended>> {
        let mut queue = self.make_room(record, buffers, reserved, appended)?;
        let written = queue.open_batch().append(&data(record, timestamp));
        let index = queue.note_written(written)?;
        Ok(Appending {
            topic: &self.topic,
            queue,
            index,
        })
    }

    /// The queue, with an open batch that has room for `record`.
    #[inline(always)]
    fn make_room(
        &self,
        record: &Record<'_>,
        buffers: &Buffers,
        reserved: &mut Option<Reservation>,
        appended: &mut Appended,
    ) -> Result<MutexGuard<'_, Queue>, Box<NotAppended>> {
        let record_bytes = record_bytes_max(record);
        let mut queue = self.queue();
        if !queue.has_room(record_bytes) {
            appended.add(queue.make_room(self.index, record_bytes, buffers, reserved)?);
        }
        queue.sticky_bytes += record_bytes;
        if queue.sticky_bytes >= buffers.limits.batch_bytes_max {
            queue.sticky_bytes = 0;
            appended.add(Appended::STICKY_DONE);
        }
        Ok(queue)
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

    /// As [`Partition::has_unsent`], for whoever holds the window.
    pub(super) fn has_something(&self, window: &SendWindow) -> bool {
        window.has_retries() || !self.queue().is_empty()
    }

    /// Settles what is not on its way with `error`; tells whether something is.
    pub(super) fn fail_unsent(&self, error: &ProduceError) -> bool {
        let mut window = self.window();
        window.fail_retries(error);
        let mut queue = self.queue();
        while let Some(batch) = queue.pop_oldest() {
            batch.fail(error.clone());
        }
        window.has_in_flight()
    }

    /// Gives up what is past its delivery timeout, after telling `on_failure`; tells whether
    /// anything is left.
    pub(super) fn expire(
        &self,
        now: Instant,
        delivery_timeout: Duration,
        on_failure: impl Fn(&ProduceError),
    ) -> bool {
        let timed_out = |maybe_written| {
            let error = ProduceError::from(ProduceErrorKind::TimedOut {
                topic: self.topic.clone(),
                partition: self.index,
                after: delivery_timeout,
                maybe_written,
            });
            on_failure(&error);
            error
        };
        let mut window = self.window();
        window.expire(now, timed_out);
        let mut queue = self.queue();
        while queue
            .oldest()
            .is_some_and(|batch| batch.opened_at + delivery_timeout <= now)
        {
            if let Some(batch) = queue.pop_oldest() {
                batch.fail(timed_out(false));
            }
        }
        queue.oldest().is_some() || window.outcomes().next().is_some()
    }

    /// Settles everything with `error`.
    pub(super) fn fail_all(&self, error: &ProduceError) {
        self.window().fail_all(error);
        let mut queue = self.queue();
        while let Some(batch) = queue.pop_oldest() {
            batch.fail(error.clone());
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
        self.full.pop_front().or_else(|| self.take_open())
    }

    /// The open batch, which is to take no more.
    fn take_open(&mut self) -> Option<OpenBatch> {
        let open = self.open.take()?;
        self.batch_bytes_guess = open.encoded_bytes();
        Some(open)
    }

    #[inline]
    fn open_batch(&mut self) -> &mut OpenBatch {
        let open = self.open.as_mut();
        open.expect("invariant: make_room leaves an open batch")
    }

    /// The index of a record in the open batch. One that could not be written leaves no empty batch.
    #[inline(always)]
    fn note_written(
        &mut self,
        written: Result<u32, ProduceError>,
    ) -> Result<u32, Box<NotAppended>> {
        written.map_err(|error| {
            self.drop_empty();
            error.into()
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

    /// Batches that wait although they are full.
    pub(super) fn full_count(&self) -> usize {
        self.full.len()
    }

    /// Whether a full batch waits that was opened before `since`.
    pub(super) fn is_full_since(&self, since: Instant) -> bool {
        let oldest = self.full.front();
        oldest.is_some_and(|batch| batch.opened_at < since)
    }

    pub(super) fn has_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// Whether the open batch has room for `record_bytes`.
    #[inline]
    fn has_room(&self, record_bytes: usize) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.encoded_bytes() + record_bytes <= open.capacity_bytes())
    }

    /// Leaves an open batch with room for `record_bytes`.
    #[cold]
    fn make_room(
        &mut self,
        partition: i32,
        record_bytes: usize,
        buffers: &Buffers,
        reserved: &mut Option<Reservation>,
    ) -> Result<Appended, Box<NotAppended>> {
        let Buffers {
            limits,
            budget,
            pool,
        } = buffers;
        if self.closed {
            return Err(ProduceErrorKind::Closed.into());
        }
        let alone_bytes = BATCH_HEADER_BYTES + record_bytes;
        if alone_bytes > limits.request_bytes_max {
            return Err(Box::from(ProduceErrorKind::RecordTooLarge {
                record_bytes: alone_bytes,
                setting: "max.request.size",
                limit_bytes: limits.request_bytes_max,
            }));
        }
        if self.grow(record_bytes, limits, budget) {
            return Ok(Appended::NOTHING);
        }
        // A little more than the last batch took, so that one of the same size need not grow.
        let guess = match self.batch_bytes_guess {
            0 => BATCH_BYTES_INITIAL,
            last => (last + last / 8).max(BATCH_BYTES_INITIAL_MIN),
        };
        let wanted = guess.min(limits.batch_bytes_max).max(alone_bytes);
        let reservation = reserved
            .take_if(|reservation| reservation.bytes() >= alone_bytes)
            .or_else(|| budget.try_reserve(wanted))
            .ok_or_else(|| Box::new(NotAppended::NeedsBuffer(wanted)))?;
        let mut appended = self.close_open();
        self.open = Some(OpenBatch::new(partition, reservation, pool, Instant::now()));
        appended.add(Appended::OPENED);
        Ok(appended)
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

    /// Queues the open batch as full, if there is one.
    fn close_open(&mut self) -> Appended {
        let Some(open) = self.take_open() else {
            return Appended::NOTHING;
        };
        self.full.push_back(open);
        Appended::FILLED
    }
}

#[inline]
fn data<'a>(record: &Record<'a>, timestamp: i64) -> RecordData<'a> {
    RecordData {
        timestamp,
        key: record.key,
        value: record.value,
        headers: record.headers,
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
