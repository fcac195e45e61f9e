//! Records that are due, each topic's in a lane of its own: a topic whose handler is slow, or
//! paused, holds up no other.
//!
//! A plain state machine. Knows no task and no record; how many may wait is `parking`'s.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::limits::HANDLED_AT_ONCE_MAX;
use super::parking::Parked;

/// What is due of one partition of the retry topic.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    by_topic: BTreeMap<Arc<str>, Lane<T>>,
}

#[derive(Debug)]
struct Lane<T> {
    under_way: usize,
    /// In the order they became due.
    waiting: VecDeque<Parked<T>>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Lanes<T> {
        Lanes {
            by_topic: BTreeMap::new(),
        }
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Lane<T> {
        Lane {
            under_way: 0,
            waiting: VecDeque::new(),
        }
    }
}

impl<T> Lanes<T> {
    /// Takes a record that is due.
    pub(super) fn push(&mut self, parked: Parked<T>) {
        let lane = self.by_topic.entry(parked.topic.clone()).or_default();
        lane.waiting.push_back(parked);
    }

    /// The next record that may begin, if any may; it is under way until
    /// [`Lanes::finish`].
    pub(super) fn begin(&mut self) -> Option<Parked<T>> {
        let mut lanes = self.by_topic.values_mut();
        let lane =
            lanes.find(|lane| lane.under_way < HANDLED_AT_ONCE_MAX && !lane.waiting.is_empty())?;
        let parked = lane.waiting.pop_front()?;
        lane.under_way += 1;
        Some(parked)
    }

    /// A record of the topic is not under way any more.
    pub(super) fn finish(&mut self, topic: &str) {
        if let Some(lane) = self.by_topic.get_mut(topic) {
            lane.under_way = lane.under_way.saturating_sub(1);
        }
        self.forget_idle();
    }

    /// Takes out those that have not begun and are to go, in the order they became due.
    pub(super) fn take_if(&mut self, goes: impl Fn(&Parked<T>) -> bool) -> Vec<Parked<T>> {
        let mut taken = Vec::new();
        for lane in self.by_topic.values_mut() {
            let (going, staying) = lane.waiting.drain(..).partition(&goes);
            lane.waiting = staying;
            taken.extend(going);
        }
        self.forget_idle();
        taken
    }

    /// Takes up to `count` of those that wait in the longest lane and may go, those that became
    /// due last.
    pub(super) fn take_last(
        &mut self,
        count: usize,
        may_go: impl Fn(&Parked<T>) -> bool,
    ) -> Vec<Parked<T>> {
        let longest = self.by_topic.values_mut();
        let Some(longest) = longest.max_by_key(|lane| lane.waiting.len()) else {
            return Vec::new();
        };
        let mut taken = Vec::new();
        while taken.len() < count
            && longest.waiting.back().is_some_and(&may_go)
            && let Some(last) = longest.waiting.pop_back()
        {
            taken.push(last);
        }
        self.forget_idle();
        taken
    }

    fn forget_idle(&mut self) {
        self.by_topic
            .retain(|_, lane| lane.under_way > 0 || !lane.waiting.is_empty());
    }
}

#[cfg(test)]
mod tests;
