//! The records of a consumer as a stream.
//!
//! Owns the waiting between records: it registers for the wake-up before it
//! looks, so none is missed (PITFALLS 27). Must not know queues.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::futures::OwnedNotified;

use super::fetched::ConsumedRecord;
use super::shared::{PollWaiting, Shared};
use crate::error::Error;

/// Yields records as they come; made by [`Consumer::stream`](super::Consumer::stream).
///
/// An error does not end it, save [`Error::Closed`] and those that last: these
/// are yielded once, then the stream ends.
#[must_use]
pub struct RecordStream<'a> {
    shared: &'a Arc<Shared>,
    waiting: Option<Waiting>,
    has_ended: bool,
}

struct Waiting {
    wake: Pin<Box<OwnedNotified>>,
    _poll: PollWaiting,
}

impl<'a> RecordStream<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>) -> Self {
        Self {
            shared,
            waiting: None,
            has_ended: false,
        }
    }

    fn next_ready(&mut self) -> Option<Option<Result<ConsumedRecord, Error>>> {
        self.shared.note_poll();
        let next = self.shared.reader().next(self.shared)?;
        self.has_ended = next.is_err() && self.shared.check_usable().is_err();
        match next {
            Err(Error::Closed) => Some(None),
            next => Some(Some(next)),
        }
    }
}

impl Stream for RecordStream<'_> {
    type Item = Result<ConsumedRecord, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.has_ended {
            return Poll::Ready(None);
        }
        if this.waiting.is_none()
            && let Some(next) = this.next_ready()
        {
            return Poll::Ready(next);
        }
        loop {
            let waiting = this.waiting.get_or_insert_with(|| Waiting {
                wake: Box::pin(Arc::clone(&this.shared.ready).notified_owned()),
                _poll: this.shared.wait_in_poll(),
            });
            let is_woken = waiting.wake.as_mut().poll(context).is_ready();
            // Registered now: what comes after this look wakes the task.
            if let Some(next) = this.next_ready() {
                this.waiting = None;
                return Poll::Ready(next);
            }
            if !is_woken {
                return Poll::Pending;
            }
            this.waiting = None;
        }
    }
}
