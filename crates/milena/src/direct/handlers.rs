//! Handlers by topic, their types erased.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::failure::HandlerError;
use crate::handler::{Handler, HandlerResult};
use crate::message::Message;

type Call = Arc<dyn Fn(&Message) -> BoxFuture<'static, HandlerResult> + Send + Sync>;

/// The handlers of a consumer.
#[derive(Default)]
pub(super) struct Handlers {
    by_topic: RwLock<BTreeMap<String, Call>>,
}

impl Handlers {
    /// Adds a handler, or puts it in the place of the topic's former one.
    pub(super) fn register<H, Arguments, S>(&self, topic: &str, handler: H, state: S)
    where
        H: Handler<Arguments, S, Future: 'static>,
        S: Send + Sync + 'static,
    {
        let call: Call = Arc::new(move |message| Box::pin(handler.call(message, &state)));
        let mut by_topic = self
            .by_topic
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        by_topic.insert(topic.to_owned(), call);
    }

    /// The topics that have one.
    pub(super) fn topics(&self) -> Vec<String> {
        let by_topic = self.by_topic.read().unwrap_or_else(PoisonError::into_inner);
        by_topic.keys().cloned().collect()
    }

    /// Calls the topic's handler; `None` when there is none. A panic is a failure.
    pub(super) async fn handle(&self, message: &Message) -> Option<HandlerResult> {
        let call = {
            let by_topic = self.by_topic.read().unwrap_or_else(PoisonError::into_inner);
            by_topic.get(&**message.topic()).cloned()?
        };
        let called = AssertUnwindSafe(async { call(message).await }).catch_unwind();
        let panicked = |payload: Box<dyn Any + Send>| Err(HandlerError::panicked(payload.as_ref()));
        Some(called.await.unwrap_or_else(panicked))
    }
}
