//! Following a record through its handling: its trace context is current meanwhile, and an
//! event tells of its end.
//!
//! Owns what both need to know of a topic. Knows neither handlers nor what ends there are.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::events::{self, Started};
use super::mode::TraceMode;
use super::trace_context::{TRACEPARENT_HEADER, TraceContext, TraceId};
use crate::message::Message;

/// What the records of a topic are handled as.
#[derive(Debug, Clone)]
pub(crate) struct Handling {
    /// As the cluster names it.
    pub(crate) topic: Arc<str>,
    pub(crate) group: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) mode: TraceMode,
}

/// A record that is followed.
pub(crate) struct Followed {
    topic: Arc<str>,
    partition: i32,
    offset: i64,
    context: Option<TraceContext>,
    started: Option<Started>,
}

impl Handling {
    /// Follows a record, if it has a trace context or somebody wants to know of its end.
    #[inline]
    pub(crate) fn follow(&self, message: &Message) -> Option<Followed> {
        let is_traced = match self.mode {
            TraceMode::Off => false,
            TraceMode::Continue => message.headers().get(TRACEPARENT_HEADER).is_some(),
            TraceMode::Generate => true,
        };
        let started = events::start();
        (is_traced || started.is_some()).then(|| self.followed(message, started))
    }

    #[cold]
    fn followed(&self, message: &Message, started: Option<Started>) -> Followed {
        let mut followed = self.noted(message, started);
        if self.mode == TraceMode::Generate {
            followed.context.get_or_insert_with(TraceContext::generate);
        }
        followed
    }

    /// A record of which an event is to tell, but that is not handled by itself.
    pub(crate) fn noted(&self, message: &Message, started: Option<Started>) -> Followed {
        let is_traced = self.mode != TraceMode::Off;
        Followed {
            topic: self.topic.clone(),
            partition: message.partition(),
            offset: message.offset(),
            context: is_traced
                .then(|| TraceContext::of(message.headers()))
                .flatten(),
            started,
        }
    }
}

impl Followed {
    /// Carries the handling out, and tells how it ended.
    pub(crate) async fn through<T>(
        self,
        handling: impl Future<Output = T>,
        outcome: impl FnOnce(&T) -> &'static str,
    ) -> T {
        let ended = match self.context.clone() {
            Some(context) => context.scope(handling).await,
            None => handling.await,
        };
        self.tell(outcome(&ended));
        ended
    }

    /// Tells how the handling ended, if somebody wants to know.
    pub(crate) fn tell(&self, outcome: &'static str) {
        if let Some(started) = self.started {
            let place = (&*self.topic, self.partition, self.offset);
            let trace_id = self.context.as_ref().map(TraceContext::trace_id);
            events::consumer_handle(started, place, outcome, trace_id);
        }
    }
}

/// The header of the context that was made for a record without one.
pub(crate) fn made_header(message: &Message) -> Option<(String, Option<Bytes>)> {
    let is_traced = message.headers().get(TRACEPARENT_HEADER).is_some();
    let made = TraceContext::of_task().filter(|_| !is_traced)?;
    Some((TRACEPARENT_HEADER.to_owned(), Some(made.to_string().into())))
}

/// The trace of a record that is being handled, for the log.
pub(crate) fn trace_id(message: &Message) -> Option<TraceId> {
    let context = TraceContext::of_task().or_else(|| TraceContext::of(message.headers()))?;
    Some(context.trace_id())
}
