//! Handlers by topic, their types erased.
//!
//! Owns calling one for a message, and what logs and traces tell of it.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::failure::HandlerError;
use crate::handler::{Handler, HandlerResult};
use crate::message::Message;
use crate::telemetry::{self, Handling};

type Call = Box<dyn Fn(&Message) -> BoxFuture<'static, HandlerResult> + Send + Sync>;

/// The handlers of a consumer.
#[derive(Default)]
pub(super) struct Handlers {
    by_topic: RwLock<BTreeMap<String, Arc<TopicHandler>>>,
}

/// The handler of one topic.
pub(super) struct TopicHandler {
    call: Call,
    handling: Handling,
}

impl Handlers {
    /// Adds a handler, or puts it in the place of the topic's former one.
    pub(super) fn register<H, Arguments, S>(
        &self,
        topic: &str,
        handling: Handling,
        handler: H,
        state: S,
    ) where
        H: Handler<Arguments, S, Future: 'static>,
        S: Send + Sync + 'static,
    {
        let call: Call = Box::new(move |message| Box::pin(handler.call(message, &state)));
        let handler = Arc::new(TopicHandler { call, handling });
        let mut by_topic = self
            .by_topic
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        by_topic.insert(topic.to_owned(), handler);
    }

    /// The topics that have one, unless they are these.
    pub(super) fn topics_unless(&self, known: &[String]) -> Option<Vec<String>> {
        let by_topic = self.by_topic.read().unwrap_or_else(PoisonError::into_inner);
        (!by_topic.keys().eq(known)).then(|| by_topic.keys().cloned().collect())
    }

    /// The topic's handler.
    pub(super) fn find(&self, topic: &str) -> Option<Arc<TopicHandler>> {
        let by_topic = self.by_topic.read().unwrap_or_else(PoisonError::into_inner);
        by_topic.get(topic).cloned()
    }
}

impl TopicHandler {
    /// Has a message handled, under its trace context, and tells how that ended.
    pub(super) async fn handle(&self, message: &Message) -> HandlerResult {
        let handling = self.attempt(message);
        match self.handling.follow(message) {
            None => handling.await,
            Some(followed) => followed.through(handling, outcome).await,
        }
    }

    /// Calls the handler, within a span if somebody wants one.
    async fn attempt(&self, message: &Message) -> HandlerResult {
        match telemetry::attempt(&self.handling, message) {
            None => self.call(message).await,
            Some(span) => telemetry::within(span, self.call(message)).await,
        }
    }

    /// A panic is a failure.
    async fn call(&self, message: &Message) -> HandlerResult {
        let called = AssertUnwindSafe(async { (self.call)(message).await }).catch_unwind();
        let panicked = |payload: Box<dyn Any + Send>| Err(HandlerError::panicked(payload.as_ref()));
        called.await.unwrap_or_else(panicked)
    }
}

/// As events have it: a message whose handler failed comes again.
fn outcome(handled: &HandlerResult) -> &'static str {
    match handled {
        Ok(()) => "handled",
        Err(error) if error.is_skipped() => "skipped",
        Err(_) => "given_back",
    }
}
