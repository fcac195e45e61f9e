//! `Outbox`: what a handler publishes together with its record's offset.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::FromMessage;
use crate::dead_letter::NewDeadLetter;
use crate::failure::HandlerError;
use crate::message::Message;
use crate::publisher::Outgoing;
use crate::telemetry::TraceContext;

/// Takes messages that count together with the handled record, or not at all: in a topic
/// with [`exactly_once`](crate::TopicHandler::exactly_once) they are published, and the
/// record's offset is committed, in one transaction. What an attempt put in that failed is
/// dropped.
///
/// ```
/// use milena::{HandlerError, Json, Outbox, Outgoing, handler};
///
/// async fn on_order(Json(order): Json<u32>, outbox: Outbox) -> Result<(), HandlerError> {
///     outbox.publish(Outgoing::to("invoices").json(&order)?);
///     Ok(())
/// }
/// # let _: milena::TopicHandler<_, (Json<u32>, Outbox)> = handler(on_order).exactly_once();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    content: Arc<Mutex<Vec<Content>>>,
}

/// One record to write.
#[derive(Debug)]
pub(crate) enum Content {
    /// With the trace context that it was made under.
    Message(Outgoing, Option<Box<TraceContext>>),
    /// For this topic, as the cluster names it.
    DeadLetter(String, Box<NewDeadLetter>),
}

impl Outbox {
    /// An empty outbox, to call handlers in unit tests.
    #[must_use]
    pub fn new() -> Outbox {
        Outbox::default()
    }

    /// Publishes the message if the record is handled.
    pub fn publish(&self, message: Outgoing) {
        let trace = TraceContext::current().map(Box::new);
        self.content().push(Content::Message(message, trace));
    }

    /// The messages put in so far, for unit tests of handlers.
    #[must_use]
    pub fn messages(&self) -> Vec<Outgoing> {
        let content = self.content();
        let messages = content.iter().filter_map(|one| match one {
            Content::Message(message, _) => Some(message.clone()),
            Content::DeadLetter(..) => None,
        });
        messages.collect()
    }

    pub(crate) fn clear(&self) {
        self.content().clear();
    }

    /// Puts a dead letter in the place of all messages.
    pub(crate) fn bury(&self, topic: &str, letter: NewDeadLetter) {
        let mut content = self.content();
        content.clear();
        content.push(Content::DeadLetter(topic.to_owned(), Box::new(letter)));
    }

    pub(crate) fn take(&self) -> Vec<Content> {
        std::mem::take(&mut *self.content())
    }

    fn content(&self) -> MutexGuard<'_, Vec<Content>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> FromMessage<S> for Outbox {
    type Rejection = HandlerError;

    fn from_message(message: &Message, _state: &S) -> Result<Outbox, HandlerError> {
        let missing = || {
            HandlerError::terminal(
                "there is no outbox: register the topic with handler(…).exactly_once()",
            )
            .with_code("no-outbox")
        };
        message.outbox().cloned().ok_or_else(missing)
    }
}
