//! Which requests of a connection wait to be written and which for their answer. A plain state
//! machine: owns no socket, reads no clock, completes nothing itself.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::header::ResponseHeader;
use crate::wire::{ApiKey, encode_request_head};

/// Requests of one connection that may be queued or unanswered; more are refused.
pub(super) const REQUESTS_MAX: usize = 1024;
/// Requests that may be written and unanswered; more stay queued.
pub(super) const IN_FLIGHT_MAX: usize = 128;

const _: () = assert!(IN_FLIGHT_MAX <= REQUESTS_MAX);

/// The requests of one connection, in wire order. `W` is whoever waits for a response.
#[derive(Debug)]
pub(super) struct Pipeline<W> {
    next_correlation_id: i32,
    /// Not yet given to the writer.
    queued: VecDeque<Queued>,
    /// Written first, then queued; a response always belongs to the front.
    unanswered: VecDeque<Unanswered<W>>,
    /// How many of `unanswered` were given to the writer.
    in_flight: usize,
    /// Those that get no answer; each is done when it is written.
    unwritten: VecDeque<Unanswered<W>>,
    /// How many of `unwritten` were given to the writer.
    in_writing: usize,
    /// Kept back until [`Pipeline::release`], in order.
    held: VecDeque<(Queued, Unanswered<W>)>,
    is_held: bool,
    last_activity: Instant,
}

#[derive(Debug)]
struct Queued {
    header: Bytes,
    body: Vec<Bytes>,
    is_answered: bool,
}

/// A request that waits for its answer, or to be written if there is none.
#[derive(Debug)]
pub(super) struct Unanswered<W> {
    pub(super) correlation_id: i32,
    pub(super) api: ApiKey,
    pub(super) response_header: ResponseHeader,
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    pub(super) waiter: W,
}

/// Whether a broker answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It does; the request is done with the answer.
    Expected,
    /// It does not; the request is done when it is written.
    None,
}

/// Whether a request waits while others are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum Turn {
    /// Behind all others, and not while they are held.
    Queue,
    /// Even while the others are held: it is what they wait for.
    Ahead,
}

/// A request on its way in.
#[derive(Debug)]
pub(super) struct NewRequest<'a, W> {
    pub(super) api: ApiKey,
    pub(super) version: i16,
    pub(super) client_id: &'a str,
    pub(super) body: Vec<Bytes>,
    pub(super) reply: Reply,
    pub(super) turn: Turn,
    pub(super) waiter: W,
    pub(super) timeout: Duration,
}

/// Why a request was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// [`REQUESTS_MAX`] are there already.
    Full,
    /// The frame would be larger than its length field can say.
    TooLarge,
}

/// A request that got no answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expired {
    /// Its place among what [`Pipeline::abandon`] returns.
    pub(super) position: usize,
    pub(super) api: ApiKey,
    pub(super) timeout: Duration,
}

/// A response that does not belong to the request it must belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(super) received: i32,
    pub(super) expected: Option<i32>,
}

impl<W> Pipeline<W> {
    /// Nothing queued as of `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next_correlation_id: 0,
            queued: VecDeque::new(),
            unanswered: VecDeque::new(),
            in_flight: 0,
            unwritten: VecDeque::new(),
            in_writing: 0,
            held: VecDeque::new(),
            is_held: false,
            last_activity: now,
        }
    }

    /// Queues a request behind all others; returns its deadline, or why not and who waits for it.
    pub(super) fn enqueue(
        &mut self,
        request: NewRequest<'_, W>,
        now: Instant,
    ) -> Result<Instant, (Refusal, W)> {
        if self.load() >= REQUESTS_MAX && request.turn == Turn::Queue {
            return Err((Refusal::Full, request.waiter));
        }
        let correlation_id = self.next_correlation_id;
        let NewRequest {
            api,
            version,
            client_id,
            ..
        } = request;
        let body_bytes = request.body.iter().map(Bytes::len).sum();
        let header = encode_request_head(api, version, correlation_id, client_id, body_bytes);
        let Ok(header) = header else {
            return Err((Refusal::TooLarge, request.waiter));
        };
        self.next_correlation_id = correlation_id.checked_add(1).unwrap_or(0);
        self.last_activity = now;
        let queued = Queued {
            header: Bytes::from(header),
            body: request.body,
            is_answered: request.reply == Reply::Expected,
        };
        let deadline = now + request.timeout;
        let entry = Unanswered {
            correlation_id,
            api,
            response_header: ResponseHeader::of(api, version),
            deadline,
            timeout: request.timeout,
            waiter: request.waiter,
        };
        if self.is_held && request.turn == Turn::Queue {
            self.held.push_back((queued, entry));
        } else {
            self.push(queued, entry);
        }
        Ok(deadline)
    }

    fn push(&mut self, queued: Queued, entry: Unanswered<W>) {
        let waiting = if queued.is_answered {
            &mut self.unanswered
        } else {
            &mut self.unwritten
        };
        waiting.push_back(entry);
        self.queued.push_back(queued);
    }

    /// Keeps back requests that come from now on, save those that are [`Turn::Ahead`].
    pub(super) fn hold(&mut self) {
        self.is_held = true;
    }

    /// Queues what was kept back.
    pub(super) fn release(&mut self) {
        self.is_held = false;
        for (queued, entry) in std::mem::take(&mut self.held) {
            self.push(queued, entry);
        }
    }

    /// Moves whole requests to `chunks`, as many as may be in flight, until there are `chunks_max` or
    /// more to write.
    pub(super) fn take_writable(&mut self, chunks: &mut VecDeque<Bytes>, chunks_max: usize) {
        while chunks.len() < chunks_max && self.in_flight < IN_FLIGHT_MAX {
            let Some(request) = self.queued.pop_front() else {
                return;
            };
            if request.is_answered {
                self.in_flight += 1;
            } else {
                self.in_writing += 1;
            }
            chunks.push_back(request.header);
            chunks.extend(request.body.into_iter().filter(|chunk| !chunk.is_empty()));
        }
    }

    /// All that [`Pipeline::take_writable`] gave out is written: takes the requests that are done with
    /// that.
    pub(super) fn written(&mut self, now: Instant) -> impl Iterator<Item = Unanswered<W>> {
        self.last_activity = now;
        let done = std::mem::take(&mut self.in_writing).min(self.unwritten.len());
        self.unwritten.drain(..done)
    }

    /// Takes the request that a response with this correlation id answers.
    pub(super) fn accept(
        &mut self,
        received: i32,
        now: Instant,
    ) -> Result<Unanswered<W>, Mismatch> {
        let expected = self.unanswered.front().filter(|_| self.in_flight > 0);
        let expected = expected.map(|entry| entry.correlation_id);
        if expected != Some(received) {
            return Err(Mismatch { received, expected });
        }
        self.in_flight -= 1;
        self.last_activity = now;
        self.unanswered
            .pop_front()
            .ok_or(Mismatch { received, expected })
    }

    /// Whether requests wait to be written.
    pub(super) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// How many requests are queued or unanswered.
    pub(super) fn load(&self) -> usize {
        self.unanswered.len() + self.unwritten.len() + self.held.len()
    }

    fn waiting(&self) -> impl Iterator<Item = &Unanswered<W>> {
        let held = self.held.iter().map(|(_, entry)| entry);
        self.unanswered.iter().chain(&self.unwritten).chain(held)
    }

    /// When to look next: at the earliest deadline, or when the connection has been idle too long.
    pub(super) fn next_deadline(&self, idle_max: Duration) -> Instant {
        let earliest = self.waiting().map(|entry| entry.deadline).min();
        earliest.unwrap_or(self.last_activity + idle_max)
    }

    /// A request whose deadline has passed.
    pub(super) fn expired(&self, now: Instant) -> Option<Expired> {
        let mut waiting = self.waiting().enumerate();
        let (position, entry) = waiting.find(|(_, entry)| entry.deadline <= now)?;
        Some(Expired {
            position,
            api: entry.api,
            timeout: entry.timeout,
        })
    }

    /// Whether nothing has happened for `idle_max`.
    pub(super) fn is_idle(&self, now: Instant, idle_max: Duration) -> bool {
        self.load() == 0 && now.duration_since(self.last_activity) >= idle_max
    }

    /// Gives up all requests; returns those that somebody waits for, the answered first.
    pub(super) fn abandon(&mut self) -> VecDeque<Unanswered<W>> {
        self.queued.clear();
        self.in_flight = 0;
        self.in_writing = 0;
        let mut waiting = std::mem::take(&mut self.unanswered);
        waiting.append(&mut self.unwritten);
        waiting.extend(self.held.drain(..).map(|(_, entry)| entry));
        waiting
    }
}

#[cfg(test)]
mod tests;
