//! Records that are due, each topic's in a lane of its own: a topic whose handler is slow, or
//! paused, holds up no other.
//!
//! A plain state machine. Knows no task and no record.

use std::collections::{BTreeMap, VecDeque};

use super::limits::{HANDLED_AT_ONCE_MAX, WAITING_MAX};

/// What is due of one partition of the retry topic.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    by_topic: BTreeMap<String, Lane<T>>,
    waiting: usize,
}

#[derive(Debug)]
struct Lane<T> {
    under_way: usize,
    /// Offsets and records, in the order they became due.
    waiting: VecDeque<(i64, T)>,
}

/// A record that may begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Begun<T> {
    pub(super) topic: String,
    pub(super) offset: i64,
    pub(super) record: T,
}

impl<T> Default for Lanes<T> {
    fn default() -> Lanes<T> {
        Lanes {
            by_topic: BTreeMap::new(),
            waiting: 0,
        }
    }
}

impl<T> Lanes<T> {
    /// Whether another record may be pushed.
    pub(super) fn has_room(&self) -> bool {
        self.waiting < WAITING_MAX
    }

    /// Takes a record that is due.
    pub(super) fn push(&mut self, topic: &str, offset: i64, record: T) {
        let lane = self
            .by_topic
            .entry(topic.to_owned())
            .or_insert_with(|| Lane {
                under_way: 0,
                waiting: VecDeque::new(),
            });
        lane.waiting.push_back((offset, record));
        self.waiting += 1;
    }

    /// The next record that may begin, if any may; it is under way until
    /// [`Lanes::finish`].
    pub(super) fn begin(&mut self) -> Option<Begun<T>> {
        let mut lanes = self.by_topic.iter_mut();
        let (topic, lane) = lanes
            .find(|(_, lane)| lane.under_way < HANDLED_AT_ONCE_MAX && !lane.waiting.is_empty())?;
        let (offset, record) = lane.waiting.pop_front()?;
        lane.under_way += 1;
        self.waiting -= 1;
        Some(Begun {
            topic: topic.clone(),
            offset,
            record,
        })
    }

    /// A record of the topic is not under way any more.
    pub(super) fn finish(&mut self, topic: &str) {
        if let Some(lane) = self.by_topic.get_mut(topic) {
            lane.under_way = lane.under_way.saturating_sub(1);
            if lane.under_way == 0 && lane.waiting.is_empty() {
                self.by_topic.remove(topic);
            }
        }
    }

    /// Gives up those that have not begun.
    pub(super) fn take_waiting(&mut self) -> Vec<(i64, T)> {
        self.waiting = 0;
        let lanes = self.by_topic.values_mut();
        lanes.flat_map(|lane| lane.waiting.drain(..)).collect()
    }
}

#[cfg(test)]
mod tests;
