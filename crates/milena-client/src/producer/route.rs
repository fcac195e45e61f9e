//! The partitions that one broker's sender has to look at: now, or at a given time.
//!
//! A partition enters when something happens to it (a batch opened, filled, answered), so a wake-up
//! costs what is due, however many partitions the producer has.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::partition::Partition;
use crate::NodeId;

/// The way to one broker.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) node: NodeId,
    lists: Mutex<Lists>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Lists {
    ready: VecDeque<Arc<Partition>>,
    timers: BinaryHeap<Timer>,
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

    /// Has the sender look at `partition` at a given time.
    pub(super) fn push_timer(&self, at: Instant, partition: &Arc<Partition>) {
        let mut lists = self.lists();
        let earliest = lists.timers.peek().is_none_or(|first| at < first.at);
        lists.timers.push(Timer {
            at,
            partition: partition.clone(),
        });
        drop(lists);
        if earliest {
            self.wake.notify_one();
        }
    }

    /// Moves what is due into the ready list, everything with `all`; tells the next due time.
    pub(super) fn advance(&self, now: Instant, all: bool) -> Option<Instant> {
        let mut lists = self.lists();
        while let Some(first) = lists.timers.peek() {
            if first.at > now && !all {
                return Some(first.at);
            }
            if let Some(timer) = lists.timers.pop()
                && timer.partition.mark_queued()
            {
                lists.ready.push_back(timer.partition);
            }
        }
        None
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
        !self.lists().ready.is_empty()
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

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    /// The earliest timer is the greatest, for [`BinaryHeap`].
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}
