//! Which records may start when several are handled at once: at most so many, and those
//! of one key one after the other.
//!
//! A plain state machine: records come in in order, those that may start come out, and
//! finished ones make room. Knows no task and no message.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

/// Records that wait, for each that runs: enough to look past a busy key.
const WAITING_PER_RUNNING: usize = 64;

/// Orders and bounds the records of one partition. `None` as a key means no order.
#[derive(Debug)]
pub(super) struct Admission<T> {
    running_max: usize,
    waiting_max: usize,
    running: usize,
    waiting: usize,
    /// May start as soon as there is room; their keys are busy from here on.
    ready: VecDeque<(Option<Bytes>, T)>,
    /// Keys that are ready or running, with the records that wait for them.
    busy: HashMap<Bytes, VecDeque<T>>,
}

impl<T> Admission<T> {
    pub(super) fn new(running_max: usize) -> Admission<T> {
        let running_max = running_max.max(1);
        Admission {
            running_max,
            waiting_max: running_max.saturating_mul(WAITING_PER_RUNNING),
            running: 0,
            waiting: 0,
            ready: VecDeque::new(),
            busy: HashMap::new(),
        }
    }

    /// Whether another record may be offered.
    pub(super) fn has_room(&self) -> bool {
        self.waiting < self.waiting_max
    }

    /// Takes the next record of the partition.
    pub(super) fn offer(&mut self, key: Option<Bytes>, record: T) {
        self.waiting += 1;
        match key {
            None => self.ready.push_back((None, record)),
            Some(key) => match self.busy.get_mut(&key) {
                Some(queue) => queue.push_back(record),
                None => {
                    self.busy.insert(key.clone(), VecDeque::new());
                    self.ready.push_back((Some(key), record));
                }
            },
        }
    }

    /// The next record that may start, if any may; it counts as running until
    /// [`Admission::finish`].
    pub(super) fn start(&mut self) -> Option<(Option<Bytes>, T)> {
        if self.running == self.running_max {
            return None;
        }
        let started = self.ready.pop_front()?;
        self.running += 1;
        self.waiting -= 1;
        Some(started)
    }

    /// A record of this key is done; the next of the key may start.
    pub(super) fn finish(&mut self, key: Option<Bytes>) {
        self.running = self.running.saturating_sub(1);
        let Some(key) = key else { return };
        match self.busy.get_mut(&key).and_then(VecDeque::pop_front) {
            Some(record) => self.ready.push_back((Some(key), record)),
            None => {
                self.busy.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
