//! What is said about one topic: its handler, layers, retries, dead letters, concurrency.

use std::marker::PhantomData;
use std::sync::Arc;

use tower::layer::util::{Identity, Stack};
use tower::{Layer, Service};

use super::concurrency::Concurrency;
use super::route::{Route, ServiceRoute};
use crate::failure::IntoHandlerError;
use crate::handler::{Handler, HandlerService};
use crate::message::Message;
use crate::publisher::Breaker;
use crate::retry::Retry;

/// What an application takes as the handler of a topic: a [`handler`] or a
/// [`batch_handler`](fn@crate::batch_handler).
///
/// A bare function does not compile:
///
/// ```compile_fail,E0277
/// use milena::{App, Config};
///
/// async fn on_order() {}
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", on_order);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the handler of a topic in an application with the state `{S}`",
    label = "neither a `handler(…)` nor a `batch_handler(…)`",
    note = "wrap the function: `.topic(\"orders\", handler(on_order))`"
)]
pub trait TopicSetup<S> {
    /// Joins the handler and the state it takes its arguments from.
    fn set_up(self, state: S) -> TopicParts;
}

/// A topic's handler, ready to run.
pub struct TopicParts {
    pub(super) handler: &'static str,
    pub(super) route: Arc<dyn Route>,
    pub(super) options: TopicOptions,
}

/// Makes a handler ready for [`App::topic`](crate::App::topic).
///
/// ```
/// use milena::{Json, handler, Retry};
///
/// #[derive(serde::Deserialize)]
/// struct Order { id: u32 }
///
/// async fn on_order(Json(order): Json<Order>) {
///     println!("order {}", order.id);
/// }
///
/// let on_orders = handler(on_order).retry(Retry::default().attempts(3));
/// # let _: milena::TopicHandler<_, (Json<Order>,)> = on_orders;
/// ```
pub fn handler<H, Arguments>(handler: H) -> TopicHandler<H, Arguments> {
    TopicHandler {
        handler,
        layer: Identity::new(),
        options: TopicOptions::default(),
        arguments: PhantomData,
    }
}

/// What can be said about any kind of handler.
macro_rules! common_options {
    () => {
        /// How often and when a retriable failure is tried again; see [`Retry::default`] for
        /// what happens without.
        pub fn retry(mut self, retry: Retry) -> Self {
            self.options.retry = retry;
            self
        }

        /// Lets a record that is to be tried again wait in the topic `<group>.retry`, so that
        /// its partition goes on: records after it, those of its key included, are handled
        /// before it. Without this it waits in place.
        ///
        /// One retry topic serves all topics and all delays of the group. It is created with
        /// as many partitions as the largest of the topics, unless the configuration forbids
        /// that; what a topic's name cannot have in the group's name becomes `_`, and the
        /// configured prefix is put before it. Handlers see the original topic, partition,
        /// offset, key, value, headers and timestamp, and which attempt it is; a
        /// [`batch_handler`](fn@crate::batch_handler) gets batches of one.
        ///
        /// A record is handled within milliseconds of its time while no more than 10,000
        /// records (or 16 MiB) of a partition of the retry topic wait, later if more do: those
        /// of a topic that is slow or paused then make room for others within half a minute,
        /// by being written again. Up to eight of a partition and topic are handled at once,
        /// in no order. Delays are by the clock of who wrote the record, and have to be
        /// shorter than the topic's retention. After a crash, what was handled in the last
        /// half minute may be handled again, or since the handler began that is longest at
        /// work.
        pub fn retry_through_topic(mut self) -> Self {
            self.options.retries = Retries::ThroughTopic;
            self
        }

        /// Pauses the topic when so many retriable failures came in a row (whichever the
        /// records), as a database that is down makes them: no handler is called, and the
        /// group's membership goes on. After the breaker's pause one record, or batch, is
        /// handled as a probe; when that succeeds the topic goes on, else it is paused again.
        /// Those that wait take turns.
        ///
        /// Whether all of it is down or this one record can never be handled, nobody can tell
        /// while nothing succeeds. So a record that has been tried as often as
        /// [`retry`](Self::retry) says becomes a dead letter while the topic is paused, too,
        /// but the next one, until something succeeds, only after twice as many attempts,
        /// and so on. A poison record does not stop its topic for ever, and an outage
        /// does not fill the dead letter topic: with five attempts and a pause of 10 s, one
        /// of 8 hours costs nine records at most. With
        /// [`stop_on_failure`](Self::stop_on_failure) none is given up. Once the topic goes
        /// on, attempts that were made while it was paused do not count.
        ///
        /// A success between two failures starts the count anew; failures that are not
        /// retriable and panics neither count nor start it anew. Up to as many records as the
        /// breaker counts failures may become dead letters before it opens: let it open
        /// before the attempts of one record are used up. Shown by
        /// [`Progress::paused_topics`](crate::Progress::paused_topics).
        pub fn pause_when_failing(mut self, breaker: Breaker) -> Self {
            self.options.breaker = Some(breaker);
            self
        }

        /// Where records go that failed for good; `<topic>.dlq` by default. The configured
        /// prefix is put before it. Created with as many partitions as the source, unless the
        /// configuration says otherwise.
        pub fn dead_letter(mut self, topic: impl Into<String>) -> Self {
            self.options.on_failure = OnFailure::DeadLetter(topic.into());
            self
        }

        /// Keeps no dead letters: a record that failed for good stops the application, and is
        /// not committed.
        pub fn stop_on_failure(mut self) -> Self {
            self.options.on_failure = OnFailure::Stop;
            self
        }

        /// Keeps no dead letters: a record that failed for good is counted
        /// ([`Progress::skipped`](crate::Progress::skipped)), logged (`event=record_skipped`), and
        /// lost. For topics whose records nobody misses; to skip those of one kind of failure only,
        /// return [`HandlerError::skip`](crate::HandlerError::skip).
        pub fn skip_on_failure(mut self) -> Self {
            self.options.on_failure = OnFailure::Skip;
            self
        }

        /// Passes failure messages and traces through `redact` before they go into a dead
        /// letter, to keep personal data and secrets out.
        pub fn redact(mut self, redact: fn(&str) -> String) -> Self {
            self.options.redact = Some(redact);
            self
        }
    };
}
pub(super) use common_options;

/// A handler with what is to happen around it; made by [`handler`].
#[derive(Debug, Clone)]
#[must_use = "a handler does nothing until an application has it"]
pub struct TopicHandler<H, Arguments, L = Identity> {
    pub(super) handler: H,
    pub(super) layer: L,
    pub(super) options: TopicOptions,
    arguments: PhantomData<fn() -> Arguments>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct TopicOptions {
    pub(super) retry: Retry,
    pub(super) on_failure: OnFailure,
    pub(super) concurrency: Concurrency,
    pub(super) redact: Option<fn(&str) -> String>,
    pub(super) retries: Retries,
    pub(super) breaker: Option<Breaker>,
    pub(super) counting: Counting,
}

/// How often what handlers publish counts for a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Counting {
    #[default]
    AtLeastOnce,
    ExactlyOnce,
}

/// Where a record waits until it is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Retries {
    /// Where it is, and its partition with it.
    #[default]
    InPlace,
    /// In the group's retry topic.
    ThroughTopic,
}

/// What becomes of a record that failed for good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// It goes to `<topic>.dlq`.
    #[default]
    DeadLetterDefault,
    /// It goes to this topic.
    DeadLetter(String),
    /// It is lost.
    Skip,
    /// The application stops.
    Stop,
}

impl<S, H, Arguments, L> TopicSetup<S> for TopicHandler<H, Arguments, L>
where
    S: Clone + Send + Sync + 'static,
    H: Handler<Arguments, S>,
    Arguments: 'static,
    L: Layer<HandlerService<H, Arguments, S>>,
    L::Service: Service<Message, Response = (), Error: IntoHandlerError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    fn set_up(self, state: S) -> TopicParts {
        let service = HandlerService::new(self.handler, state);
        TopicParts {
            handler: std::any::type_name::<H>(),
            route: Arc::new(ServiceRoute {
                service: self.layer.layer(service),
            }),
            options: self.options,
        }
    }
}

impl<H, Arguments, L> TopicHandler<H, Arguments, L> {
    common_options!();

    /// How many records of a partition are handled at once; one by default.
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.options.concurrency = concurrency;
        self
    }

    /// Makes what the handler puts into its [`Outbox`](crate::Outbox), the record's dead letter
    /// if it comes to that, and the record's offset count together, in one transaction:
    /// consumers with `isolation.level=read_committed` see the output of each record once,
    /// whatever crashes. The handler itself may be called again after a crash, so that other
    /// things it does are done at least once.
    ///
    /// A transaction holds what came of up to 1,000 records and is made after 100 ms at the
    /// latest, plus the time of the handler that is at work then. Each partition has a
    /// transactional id of its own, `<group>:<topic>:<partition>`, whichever member of the
    /// group has it, so that there is nothing to configure for each instance; that costs a
    /// producer for each partition. The application reads only what is committed itself.
    ///
    /// Records are handled one by one: not with another [`Concurrency`], not through a retry
    /// topic. The group needs the rights to write to the transactional ids that begin with its
    /// name.
    pub fn exactly_once(mut self) -> Self {
        self.options.counting = Counting::ExactlyOnce;
        self
    }

    /// Wraps the handler in a tower layer; layers added later are further outside. Retries
    /// pass through all of them again. An error of a layer's own is retriable.
    pub fn layer<Outer>(self, outer: Outer) -> TopicHandler<H, Arguments, Stack<L, Outer>> {
        TopicHandler {
            handler: self.handler,
            layer: Stack::new(self.layer, outer),
            options: self.options,
            arguments: PhantomData,
        }
    }
}
