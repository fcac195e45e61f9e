//! What becomes of failed messages, and when: a state machine that owns no clock, no task
//! and no connection. Failures and times go in, actions come out.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::ErrorClass;
use crate::retry::Retry;

/// What takes memory while it waits.
pub(super) trait Weighed {
    fn bytes(&self) -> usize;
}

/// Failed messages that wait for their next attempt, or for their dead letter.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    retry: Retry,
    waiting: BinaryHeap<Waiting<T>>,
    buried: VecDeque<T>,
    /// Keeps messages that are due at the same time in the order in which they failed.
    next_number: u64,
    /// Of all that is kept.
    bytes: usize,
    is_draining: bool,
}

/// What a failure leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another attempt after this long.
    Retry(Duration),
    /// No attempt more.
    GiveUp,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action<T> {
    /// Send the message again.
    Resend(T),
    /// Write the message's dead letter.
    Bury(T),
}

#[derive(Debug)]
struct Waiting<T> {
    due: Instant,
    number: u64,
    message: T,
}

impl<T: Weighed> Schedule<T> {
    pub(super) fn new(retry: Retry) -> Schedule<T> {
        Schedule {
            retry,
            waiting: BinaryHeap::new(),
            buried: VecDeque::new(),
            next_number: 0,
            bytes: 0,
            is_draining: false,
        }
    }

    /// What a failure of this class leads to after so many failed attempts, this one
    /// included. `random` is a number from 0.0 to 1.0.
    pub(super) fn judge(&self, failed: u32, class: ErrorClass, random: f64) -> Verdict {
        if self.is_draining || class != ErrorClass::Retriable {
            return Verdict::GiveUp;
        }
        self.retry
            .delay_after(failed, random)
            .map_or(Verdict::GiveUp, Verdict::Retry)
    }

    /// Keeps a message until `due`; while draining, only until somebody asks.
    pub(super) fn retry_at(&mut self, due: Instant, message: T) {
        if self.is_draining {
            return self.bury(message);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.bytes += message.bytes();
        self.waiting.push(Waiting {
            due,
            number,
            message,
        });
    }

    /// How long to wait after a first failure.
    pub(super) fn first_delay(&self) -> Duration {
        let delay = self.retry.delay_after(1, 0.5);
        delay.unwrap_or(Duration::from_secs(1))
    }

    /// Gives away what waits for its next attempt, in no order.
    pub(super) fn take_waiting(&mut self) -> Vec<T> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let taken: Vec<T> = waiting.map(|waiting| waiting.message).collect();
        self.bytes -= taken.iter().map(T::bytes).sum::<usize>();
        taken
    }

    /// Keeps a message for its dead letter.
    pub(super) fn bury(&mut self, message: T) {
        self.bytes += message.bytes();
        self.buried.push_back(message);
    }

    /// From now on nothing is tried again; what waits is given up, the next one due first.
    pub(super) fn drain(&mut self) {
        self.is_draining = true;
        while let Some(waiting) = self.waiting.pop() {
            self.buried.push_back(waiting.message);
        }
    }

    /// What is to be done at `now`, one message at a time.
    pub(super) fn next_action(&mut self, now: Instant) -> Option<Action<T>> {
        if let Some(message) = self.buried.pop_front() {
            self.bytes -= message.bytes();
            return Some(Action::Bury(message));
        }
        let is_due = self.next_due().is_some_and(|due| due <= now);
        let waiting = if is_due { self.waiting.pop() } else { None };
        let message = waiting?.message;
        self.bytes -= message.bytes();
        Some(Action::Resend(message))
    }

    /// When there is something to do next, given that nothing is to be done now.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|waiting| waiting.due)
    }

    /// The messages that are kept, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.message);
        waiting.chain(&self.buried)
    }

    /// How many bytes of messages are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many messages are kept.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.buried.len()
    }
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Waiting<T>) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Waiting<T> {}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Waiting<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Waiting<T> {
    /// The greatest is the next one due, as the heap gives the greatest first.
    fn cmp(&self, other: &Waiting<T>) -> Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

#[cfg(test)]
mod tests;
