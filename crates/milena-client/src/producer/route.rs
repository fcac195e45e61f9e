//! The partitions that one broker's sender has to look at: now, or at a given time; and its connection.
//!
//! A partition enters when something happens to it (a batch opened, filled, answered), so a wake-up
//! costs what is due, however many partitions the producer has.

use std::cmp;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use tokio::sync::Notify;

use super::partition::Partition;
use crate::NodeId;
use crate::net::Connection;

/// The way to one broker.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) node: NodeId,
    lists: Mutex<Lists>,
    line: Mutex<Line>,
    /// Requests that were queued and not answered.
    in_flight: AtomicUsize,
    wake: Notify,
}

/// The connection to the broker. Whoever has it may send; it is held from the moment a batch is
/// taken until its request is queued, so that batches leave in the order they were taken.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) connection: Option<Connection>,
}

impl Line {
    /// The connection if it is up.
    pub(super) fn usable_connection(&mut self) -> Option<Connection> {
        self.connection.take_if(|connection| connection.is_closed());
        self.connection.clone()
    }
}

#[derive(Debug, Default)]
struct Lists {
    ready: VecDeque<Arc<Partition>>,
    /// In their order: lingers, which are all of the same length.
    timers: VecDeque<Timer>,
    /// Those that came out of order.
    timers_between: BinaryHeap<Timer>,
    /// Those of partitions that wait after an error. Taken early they would only be set again, as
    /// fast as the processor can.
    pauses: BinaryHeap<Timer>,
    /// Until when the broker wants no request: a quota is used up.
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Timer {
    at: Instant,
    partition: Arc<Partition>,
}

impl Route {
    pub(super) fn new(node: NodeId) -> Arc<Self> {
        Arc::new(Route {
            node,
            lists: Mutex::default(),
            line: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            wake: Notify::new(),
        })
    }

    /// Has the sender look at `partition` now.
    pub(super) fn push_ready(&self, partition: &Arc<Partition>) {
        if partition.mark_queued() {
            self.lists().ready.push_back(partition.clone());
            self.wake.notify_one();
        }
    }

    /// As [`Route::push_ready`] for a caller who will send itself: tells whether nothing else is
    /// ready. If something is, the sender's task is woken.
    pub(super) fn push_only_ready(&self, partition: &Arc<Partition>) -> bool {
        let mut lists = self.lists();
        let is_alone = lists.ready.is_empty();
        if partition.mark_queued() {
            lists.ready.push_back(partition.clone());
            if is_alone {
                return true;
            }
            drop(lists);
            self.wake.notify_one();
        }
        false
    }

    /// Has the sender look at `partition` at a given time.
    pub(super) fn push_timer(&self, at: Instant, partition: &Arc<Partition>) {
        let mut lists = self.lists();
        let earliest = lists.next_timer().is_none_or(|first| at < first);
        let timer = Timer {
            at,
            partition: partition.clone(),
        };
        if lists.timers.back().is_none_or(|last| last.at <= at) {
            lists.timers.push_back(timer);
        } else {
            lists.timers_between.push(timer);
        }
        drop(lists);
        if earliest {
            self.wake.notify_one();
        }
    }

    /// Has the sender look at `partition` at a given time and no earlier, under pressure either.
    pub(super) fn push_pause(&self, at: Instant, partition: &Arc<Partition>) {
        self.lists().pauses.push(Timer {
            at,
            partition: partition.clone(),
        });
        self.wake.notify_one();
    }

    /// Nothing is ready until then.
    pub(super) fn pause(&self, until: Instant) {
        self.lists().paused_until = Some(until);
        self.wake.notify_one();
    }

    /// Moves what is due into the ready list, everything that lingers with `all`; tells when to look
    /// again.
    pub(super) fn advance(&self, now: Instant, all: bool) -> Option<Instant> {
        let mut lists = self.lists();
        lists.paused_until = lists.paused_until.filter(|until| *until > now);
        let paused_until = lists.paused_until;
        while let Some(partition) = lists.pop_due(now, all) {
            if partition.mark_queued() {
                lists.ready.push_back(partition);
            }
        }
        let next_pause = lists.pauses.peek().map(|pause| pause.at);
        let next = lists.next_timer().into_iter().chain(next_pause);
        next.chain(paused_until).min()
    }

    /// Takes the ready list. The taker clears each partition's mark before it looks at it.
    pub(super) fn take_ready(&self) -> VecDeque<Arc<Partition>> {
        std::mem::take(&mut self.lists().ready)
    }

    /// Puts back what was taken and not looked at, at the front.
    pub(super) fn put_back(&self, mut partitions: VecDeque<Arc<Partition>>) {
        let mut lists = self.lists();
        partitions.append(&mut lists.ready);
        lists.ready = partitions;
    }

    pub(super) fn has_ready(&self) -> bool {
        let lists = self.lists();
        let is_paused = || {
            lists
                .paused_until
                .is_some_and(|until| Instant::now() < until)
        };
        !lists.ready.is_empty() && !is_paused()
    }

    /// The connection, for the sender's task.
    pub(super) fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, unless somebody is about to send.
    pub(super) fn try_line(&self) -> Option<MutexGuard<'_, Line>> {
        match self.line.try_lock() {
            Ok(line) => Some(line),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    pub(super) fn begin_request(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn end_request(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists {
    fn next_timer(&self) -> Option<Instant> {
        let in_order = self.timers.front().map(|timer| timer.at);
        let between = self.timers_between.peek().map(|timer| timer.at);
        in_order.into_iter().chain(between).min()
    }

    /// Takes a partition whose time has come; with `all`, one that lingers as well.
    fn pop_due(&mut self, now: Instant, all: bool) -> Option<Arc<Partition>> {
        if self.next_timer().is_some_and(|next| next <= now || all) {
            return self.pop_timer();
        }
        let is_over = self.pauses.peek().is_some_and(|pause| pause.at <= now);
        let pause = if is_over { self.pauses.pop() } else { None };
        pause.map(|pause| pause.partition)
    }

    /// Takes the timer that [`Lists::next_timer`] tells of.
    fn pop_timer(&mut self) -> Option<Arc<Partition>> {
        let in_order = self.timers.front().map(|timer| timer.at);
        let timer = match self.timers_between.peek() {
            Some(between) if in_order.is_none_or(|at| between.at < at) => self.timers_between.pop(),
            _ => self.timers.pop_front(),
        };
        timer.map(|timer| timer.partition)
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    /// The earliest timer is the greatest, for [`BinaryHeap`].
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        other.at.cmp(&self.at)
    }
}

#[cfg(test)]
mod tests;
