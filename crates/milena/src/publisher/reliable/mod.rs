//! Reliable publishing: each message is followed to its end, which is the topic, the dead
//! letter topic, or a failure that somebody hears of.
//!
//! Owns retries above the producer's own, dead letters of what could not be published,
//! observers and counts. `schedule` decides, `shared` acts, `worker` waits. Knows no wire.

mod breaker;
mod builder;
mod context;
mod counts;
mod dead_letter_places;
mod health;
mod limits;
mod observer;
mod pacing;
mod replay;
mod schedule;
mod shared;
mod spooler;
mod spooling;
mod told;
mod worker;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(crate) use self::breaker::Circuit;
pub use self::breaker::{Breaker, BreakerState};
pub use self::builder::ReliableBuilder;
use self::context::Rare;
pub use self::context::{Delivered, DeliveryContext, DeliveryStatus};
pub use self::counts::DeliveryCounts;
pub use self::health::{PublisherHealth, SpoolHealth};
use self::limits::STOP_TIMEOUT;
pub use self::observer::{DeliveryObserver, MetricData};
use self::shared::Shared;
use super::{MessageId, Outgoing, PublishError, id_for, id_of};
use crate::metrics::Source as _;

/// Publishes messages and follows each to its end. Cheap to clone; clones share everything.
///
/// Every message has an id, in its header `milena-message-id`: the one it was given, or one
/// that is made. When an attempt fails, the error's class decides: retriable errors are tried
/// again (1 s, 2 s, 4 s, 8 s later by default), others, and those whose attempts are used up,
/// become dead letters in `<topic>.dlq` with the original and the history of attempts. A dead
/// letter that cannot be written either is an error to whoever waits and observes, and counted.
///
/// Retries wait in memory: they do not survive the process. [`close`](Self::close) brings each
/// to its end. With a [`spool`](ReliableBuilder::spool), messages wait on disk while the cluster
/// is gone. A message that is tried again comes after those of its key that succeeded
/// meanwhile, and may be written twice if an acknowledgement got lost for as long as
/// `delivery.timeout.ms`; its id and its timestamp stay the same.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use milena::testing::TestBroker;
/// use milena::{Outgoing, Publisher, Retry};
///
/// let broker = TestBroker::start().await?;
/// let publisher = Publisher::new(&broker.config("my-group")?)?
///     .reliable()
///     .retry(Retry::exponential(Duration::from_secs(1)).cap(Duration::from_secs(30)).attempts(6))
///     .dead_letter_topic_for("orders", "orders.failed")
///     .metrics(|name, data| println!("{name} topic={}", data.topic))
///     .build()?;
/// let id = publisher.publish(Outgoing::to("orders").key("7").value("hello")).await?;
/// println!("taken as {id}");
/// let counts = publisher.close(Duration::from_secs(10)).await;
/// assert_eq!((counts.accepted, counts.delivered, counts.pending()), (1, 1, 0));
/// # Ok(())
/// # }
/// ```
///
#[doc = include_str!("guide.md")]
#[derive(Clone)]
pub struct ReliablePublisher {
    handle: Arc<Handle>,
}

/// A message that has to wait. On the heap, so that the way of most messages stays small.
type Waiting<'a> = Pin<Box<dyn Future<Output = Result<MessageId, PublishError>> + Send + 'a>>;

/// Lets the worker end when the last clone is dropped.
struct Handle {
    shared: Arc<Shared>,
}

impl ReliablePublisher {
    fn new(shared: Arc<Shared>) -> ReliablePublisher {
        ReliablePublisher {
            handle: Arc::new(Handle { shared }),
        }
    }

    /// Takes a message, waiting for space only, and returns its id. Observers and counts tell
    /// what becomes of it. With a spool that holds anything, it is on disk then.
    ///
    /// # Errors
    /// When the message was not taken: no legal topic, closed; without a spool, no buffer space
    /// in time or the breaker is open; with one, it is full or cannot be written.
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` moves the message once more"
    )]
    #[inline]
    pub fn publish(
        &self,
        mut message: Outgoing,
    ) -> impl Future<Output = Result<MessageId, PublishError>> + Send {
        async move {
            match self.publish_now(&mut message, || None) {
                Ok(id) => Ok(id),
                Err(id) => self.publish_later(message, id, None).await,
            }
        }
    }

    /// Publishes a message and waits for its end, retries included, or until it is in the
    /// spool.
    ///
    /// # Errors
    /// When the message was not taken, or neither its topic nor a dead letter topic has it.
    pub async fn deliver(&self, message: Outgoing) -> Result<Delivered, PublishError> {
        let (rare, end) = Rare::awaited();
        let (mut message, mut rare) = (message, Some(rare));
        if let Err(id) = self.publish_now(&mut message, || rare.take()) {
            self.publish_later(message, id, rare).await?;
        }
        end.await
            .unwrap_or_else(|_| Err(milena_client::Error::Closed.into()))
    }

    /// Sends a message if that needs no waiting, keeping what `rare` has; calls that only if so.
    /// Gives its id either way.
    #[inline]
    fn publish_now(
        &self,
        message: &mut Outgoing,
        rare: impl FnOnce() -> Option<Box<Rare>>,
    ) -> Result<MessageId, MessageId> {
        let publisher = &self.shared().publisher;
        // Retries and dead letters are sent elsewhere, and belong to the same trace.
        if let Some(trace) = publisher.trace_of(message) {
            message.trace(&trace);
        }
        let made = id_for(message);
        let is_taken = self.shared().accept_now(message, made, rare);
        let id = id_of(message, made);
        if is_taken { Ok(id) } else { Err(id) }
    }

    #[cold]
    fn publish_later(
        &self,
        message: Outgoing,
        id: MessageId,
        rare: Option<Box<Rare>>,
    ) -> Waiting<'_> {
        let context = DeliveryContext::new(message, id.clone(), rare);
        Box::pin(async move {
            self.shared().accept(&mut Some(context)).await?;
            Ok(id)
        })
    }

    /// What became of the messages so far.
    #[must_use]
    pub fn counts(&self) -> DeliveryCounts {
        self.shared().counters.read()
    }

    /// What the circuit breaker does; closed when there is none.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        self.shared().pacing.state()
    }

    /// How it fares now. Asks nobody: it says what is known.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use milena::testing::TestBroker;
    /// # use milena::{Outgoing, Publisher};
    /// # let broker = TestBroker::start().await?;
    /// let publisher = Publisher::new(&broker.config("my-group")?)?.reliable().build()?;
    /// publisher.deliver(Outgoing::to("orders").value("hello")).await?;
    /// let health = publisher.health();
    /// assert!(health.is_healthy() && health.is_connected);
    /// assert_eq!((health.waiting, health.oldest_waiting), (0, None));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn health(&self) -> PublisherHealth {
        self.shared().health()
    }

    /// Waits until no message is open: each is written, a dead letter, in the spool, or failed; with
    /// `None` for as long as `flush.timeout.ms` says.
    ///
    /// # Errors
    /// When that takes longer than `timeout`; nothing is lost by it.
    pub async fn flush(&self, timeout: impl Into<Option<Duration>>) -> Result<(), PublishError> {
        let shared = self.shared();
        let timeout = shared.publisher.flush_timeout(timeout.into());
        let settled = async {
            shared.publisher.flush(timeout).await?;
            shared.counters.until_idle().await;
            Ok(())
        };
        let outcome = tokio::time::timeout(timeout, settled).await;
        outcome.unwrap_or_else(|_| {
            Err(PublishError::Client(milena_client::Error::Timeout {
                what: "flushing the publisher".to_owned(),
                after: timeout,
            }))
        })
    }

    /// Waits until the spool is empty; at once without one.
    ///
    /// # Errors
    /// When that takes longer than `timeout`; nothing is lost by it.
    pub async fn until_replayed(&self, timeout: Duration) -> Result<(), PublishError> {
        let shared = self.shared();
        let outcome = tokio::time::timeout(timeout, shared.counters.until_replayed()).await;
        outcome.map_err(|_| {
            PublishError::Client(milena_client::Error::Timeout {
                what: "waiting for the spool to be replayed".to_owned(),
                after: timeout,
            })
        })
    }

    /// Takes nothing more, gives retries until `patience` is over, makes dead letters of the
    /// rest, or spools it if there is a spool, and accounts for every message: none is pending
    /// in what it returns, and those counted as spooled are on disk, for the next process.
    /// Closes every clone, and the publisher below.
    ///
    /// After `patience` it takes at most three times `delivery.timeout.ms`, 5 s for observers that
    /// have not been told yet, and what a spool's disk takes.
    pub async fn close(&self, patience: Duration) -> DeliveryCounts {
        let shared = self.shared();
        let is_first = !shared.is_closed.swap(true, Ordering::AcqRel);
        shared.room.notify_waiters();
        // What is not settled by then is below.
        let _ = self.flush(patience).await;
        shared.drain();
        // One timeout for an attempt under way, one for its dead letter.
        let _ = self
            .flush(shared.publisher.shared.delivery_timeout * 2)
            .await;
        if let Err(error) = shared.publisher.close().await {
            tracing::warn!(event = "publisher_close", %error);
        }
        // Nothing is sent any more, so what is left is spooled or failed, which takes no time.
        shared.stop();
        let told = shared.counters.until_idle();
        let _ = tokio::time::timeout(STOP_TIMEOUT, told).await;
        if let Some(spooler) = &shared.spooler {
            spooler.finish().await;
        }
        let lost = shared.counters.fail_pending();
        if lost > 0 {
            tracing::error!(event = "publisher_lost", messages = lost);
        }
        let counts = shared.counters.read();
        shared.collect();
        if is_first {
            shared
                .observers
                .tell(|observer| observer.on_shutdown(&counts));
        }
        counts
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

impl fmt::Debug for ReliablePublisher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReliablePublisher")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.is_abandoned.store(true, Ordering::Release);
        self.shared.work.notify_one();
    }
}
