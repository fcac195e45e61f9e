//! Accepting one record, as a future that is small because most records need not wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::delivery::Delivery;
use super::error::ProduceError;
use super::partition::NotAppended;
use super::record::Record;
use super::shared::{Shared, Urgency};
use super::topic::Topic;

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Delivery, ProduceError>> + Send + 'a>>;

/// A record on its way into a batch. Lazy: nothing happens before it is awaited.
#[must_use = "a record is accepted when this is awaited"]
pub struct Enqueue<'a> {
    shared: &'a Arc<Shared>,
    topic: &'a Topic,
    state: State<'a>,
}

enum State<'a> {
    Fresh(Record<'a>, Urgency),
    /// On the heap, so that the way of most records stays small.
    Waiting(Waiting<'a>),
    Done,
}

impl<'a> Enqueue<'a> {
    #[inline]
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        topic: &'a Topic,
        record: Record<'a>,
        urgency: Urgency,
    ) -> Self {
        Enqueue {
            shared,
            topic,
            state: State::Fresh(record, urgency),
        }
    }

    #[cold]
    fn wait(
        &mut self,
        record: Record<'a>,
        urgency: Urgency,
        bytes: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<Delivery, ProduceError>> {
        let (shared, topic) = (self.shared, self.topic);
        let waiting = shared.append_waiting(topic, record, urgency, bytes);
        self.state = State::Waiting(Box::pin(waiting));
        self.poll_waiting(context)
    }

    #[cold]
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<Result<Delivery, ProduceError>> {
        let State::Waiting(waiting) = &mut self.state else {
            // Polled after it resolved, which a future's contract rules out.
            return Poll::Pending;
        };
        let polled = waiting.as_mut().poll(context);
        if polled.is_ready() {
            self.state = State::Done;
        }
        polled
    }
}

impl Future for Enqueue<'_> {
    type Output = Result<Delivery, ProduceError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let State::Fresh(record, urgency) = &this.state else {
            return this.poll_waiting(context);
        };
        let result = match this
            .shared
            .try_append(this.topic, record, &mut None, *urgency)
        {
            Ok(delivery) => Ok(delivery),
            Err(refusal) => match *refusal {
                NotAppended::Failed(error) => Err(error),
                NotAppended::NeedsBuffer(bytes) => {
                    let (record, urgency) = (*record, *urgency);
                    return this.wait(record, urgency, bytes, context);
                }
            },
        };
        this.state = State::Done;
        Poll::Ready(result)
    }
}
