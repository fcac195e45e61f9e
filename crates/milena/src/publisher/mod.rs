//! Publishing: typed messages out, through one producer that all clones share.
//!
//! Owns the typed side of sending: topic prefix, message ids, errors, in `reliable/` what
//! becomes of a message that failed, and in `spool/` messages on disk. The way to the broker is the client's.

mod as_record;
mod dead_letters;
mod error;
mod message_id;
mod outgoing;
mod reliable;
mod serialize;
mod spool;
mod topics;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use milena_client::Client;
use milena_client::producer::{
    Delivery, ProduceError, Producer, Record, RecordMetadata, TopicHandle,
};
use milena_client::transaction::Transaction;

use self::as_record::{
    Written, headers_room, letter_headers, letter_record, record, trace_id, with_record,
};
pub(crate) use self::dead_letters::{DeadLetters, Readiness};
pub use self::error::PublishError;
use self::message_id::MadeId;
pub use self::message_id::MessageId;
pub use self::outgoing::Outgoing;
pub(crate) use self::reliable::Circuit;
pub use self::reliable::{
    Breaker, BreakerState, Delivered, DeliveryContext, DeliveryCounts, DeliveryObserver,
    DeliveryStatus, MetricData, PublisherHealth, ReliableBuilder, ReliablePublisher, SpoolHealth,
};
pub use self::serialize::ToBytes;
pub use self::spool::{Spool, SpoolError, SpoolSync};
use self::topics::Topics;
use crate::config::publisher::PublisherSettings;
use crate::config::{Config, TopicPrefix, topic_problem};
use crate::dead_letter::NewDeadLetter;
use crate::telemetry::{self, Sending, Started, TraceContext, TraceId, TraceMode};

/// Publishes messages. Cheap to clone; all clones share buffers, connections and what
/// [`Publisher::close`] closes.
///
/// Acknowledged by all in-sync replicas and idempotent: a retry writes nothing twice.
/// [`send`](Self::send) waits for the acknowledgement, [`enqueue`](Self::enqueue) for room only;
/// [`reliable`](Self::reliable) adds retries beyond the producer's, dead letters and a spool.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use milena::testing::TestBroker;
/// use milena::{Outgoing, Publisher};
///
/// let broker = TestBroker::start().await?;
/// let publisher = Publisher::new(&broker.config("my-group")?)?;
/// let written = publisher.send(&Outgoing::to("orders").key("7").value("hello")).await?;
/// assert_eq!(written.offset(), Some(0));
/// let deliveries = [
///     publisher.enqueue(&Outgoing::to("orders").key("7").value("again")).await?,
///     publisher.enqueue(&Outgoing::to("orders").key("7").value("and again")).await?,
/// ];
/// for delivery in deliveries {
///     delivery.await?;
/// }
/// publisher.close().await?; // Waits for everything that was taken.
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Publisher {
    producer: Producer,
    shared: Arc<Shared>,
}

/// What was made for a message that is to go the long way.
struct Prepared {
    made: Option<MadeId>,
    trace: Option<TraceContext>,
}

/// What the clones of a publisher share beside the producer.
#[derive(Debug)]
struct Shared {
    client: Client,
    topics: Topics,
    topic_prefix: TopicPrefix,
    client_id: String,
    trace_mode: TraceMode,
    delivery_timeout: Duration,
    flush_timeout: Duration,
    dead_letter_record_bytes: usize,
    dead_letter_create_topic: bool,
    /// What reliable publishers on top of this one start from.
    settings: PublisherSettings,
}

impl Publisher {
    /// A publisher with connections of its own. Connects when first used; needs a tokio
    /// runtime. Publishes outside of transactions, whatever `transactional.id` says.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn new(config: &Config) -> Result<Publisher, PublishError> {
        if let Some(id) = config.get("transactional.id") {
            tracing::warn!(
                event = "publisher_not_transactional",
                transactional_id = id,
                "this publisher's messages are in no transaction"
            );
        }
        let client = Client::new(config.client_config()?)?;
        Publisher::with_client(&client, config)
    }

    pub(crate) fn with_client(client: &Client, config: &Config) -> Result<Publisher, PublishError> {
        Ok(Publisher {
            producer: Producer::new(client, config.producer_config()?)?,
            shared: Arc::new(Shared {
                client: client.clone(),
                topics: Topics::default(),
                topic_prefix: config.topic_prefix.clone(),
                client_id: config.client_id.clone(),
                trace_mode: config.trace_mode,
                delivery_timeout: config.delivery_timeout,
                flush_timeout: config.flush_timeout,
                dead_letter_record_bytes: config.dead_letter_record_bytes,
                dead_letter_create_topic: config.dead_letter_create_topic,
                settings: config.publisher.clone(),
            }),
        })
    }

    /// A publisher on top of this one that follows each message to its end: tries again
    /// what may work later, writes dead letters of the rest, tells an observer. It starts from
    /// the settings `milena.publisher.…` of the [`Config`].
    pub fn reliable(&self) -> ReliableBuilder {
        ReliableBuilder::new(self.clone())
    }

    /// Publishes a message and waits until the broker has it.
    ///
    /// # Errors
    /// When the broker did not acknowledge it within the delivery timeout, or refused it.
    pub async fn send(&self, message: &Outgoing) -> Result<RecordMetadata, PublishError> {
        let id = id_of(message, id_for(message));
        let trace = self.trace_of(message);
        let started = telemetry::start();
        let answer = match self.topic(&message.topic).await {
            Ok(topic) => {
                let mut written = Written::new();
                let (few, many) = &mut headers_room();
                let headers = written.headers(message, id.made_id(), trace.as_ref(), few, many);
                topic.send(record(message, headers)).await
            }
            Err(PublishError::Produce(error)) => Err(error),
            Err(illegal) => return Err(illegal),
        };
        if let Some(started) = started {
            let trace_id = trace_id(trace.as_ref(), message);
            let topic = self.prefixed(&message.topic);
            telemetry::producer_send(started, &topic, &id, trace_id, &answer);
        }
        Ok(answer?)
    }

    /// Takes a message, waiting for buffer space only. The [`Delivery`] resolves when the
    /// broker has answered; many may be on their way at once.
    ///
    /// # Errors
    /// When the message was not taken.
    #[inline]
    pub async fn enqueue(&self, message: &Outgoing) -> Result<Delivery, PublishError> {
        match self.enqueue_now(message) {
            Ok(delivery) => Ok(delivery),
            Err(prepared) => Box::pin(self.enqueue_prepared(message, prepared)).await,
        }
    }

    /// Takes a message if that needs no waiting, as for most: its topic is known, there is room,
    /// and nobody wants to be told. Otherwise it goes the long way, which says what is wrong.
    #[inline]
    fn enqueue_now(&self, message: &Outgoing) -> Result<Delivery, Prepared> {
        let made = id_for(message);
        let trace = self.trace_of(message);
        if !telemetry::is_told() {
            let mut room = None;
            if let Some(topic) = self.shared.topics.find(&message.topic, &mut room) {
                let enqueue = |record: Record<'_>| topic.try_enqueue(record);
                if let Ok(delivery) = with_record(message, made, trace.as_ref(), enqueue) {
                    return Ok(delivery);
                }
            }
        }
        Err(Prepared { made, trace })
    }

    #[cold]
    async fn enqueue_prepared(
        &self,
        message: &Outgoing,
        Prepared { made, trace }: Prepared,
    ) -> Result<Delivery, PublishError> {
        let id = id_of(message, made);
        self.enqueue_as(message, &id, trace.as_ref()).await
    }

    /// As [`Publisher::enqueue`], under an id that is known, with `trace` put into the headers.
    async fn enqueue_as(
        &self,
        message: &Outgoing,
        id: &MessageId,
        trace: Option<&TraceContext>,
    ) -> Result<Delivery, PublishError> {
        let started = telemetry::start();
        let taken = match self.topic(&message.topic).await {
            Ok(topic) => {
                let mut written = Written::new();
                let (few, many) = &mut headers_room();
                let headers = written.headers(message, id.made_id(), trace, few, many);
                topic.enqueue(record(message, headers)).await
            }
            Err(PublishError::Produce(error)) => Err(error),
            Err(illegal) => return Err(illegal),
        };
        if let Some(started) = started {
            let topic = self.prefixed(&message.topic);
            self.tell_of(started, &topic, id, trace_id(trace, message), &taken);
        }
        Ok(taken?)
    }

    /// Has an event told of what becomes of a message.
    #[cold]
    fn tell_of(
        &self,
        started: Started,
        topic: &str,
        id: &MessageId,
        trace_id: Option<TraceId>,
        taken: &Result<Delivery, ProduceError>,
    ) {
        let sending = sending(started, topic, id, trace_id);
        let tell = move |answer: Result<RecordMetadata, ProduceError>| sending.tell(&answer);
        match taken {
            Ok(delivery) => self.producer.observe(delivery, tell),
            Err(error) => tell(Err(error.clone())),
        }
    }

    /// The trace context that is to be put into the message's headers, if it has none.
    #[inline]
    fn trace_of(&self, message: &Outgoing) -> Option<TraceContext> {
        match self.shared.trace_mode {
            TraceMode::Off => None,
            _ if message.is_traced() => None,
            TraceMode::Continue => TraceContext::current(),
            TraceMode::Generate => {
                Some(TraceContext::current().unwrap_or_else(TraceContext::generate))
            }
        }
    }

    /// Waits until everything taken before is settled, without lingering; with `None` for as long
    /// as `flush.timeout.ms` says.
    ///
    /// # Errors
    /// When that takes longer than `timeout`; nothing is lost by it.
    pub async fn flush(&self, timeout: impl Into<Option<Duration>>) -> Result<(), PublishError> {
        let timeout = self.flush_timeout(timeout.into());
        Ok(self.producer.flush(timeout).await?)
    }

    /// The time given, else the one configured.
    fn flush_timeout(&self, given: Option<Duration>) -> Duration {
        given.unwrap_or(self.shared.flush_timeout)
    }

    /// Takes nothing more and waits until everything taken is settled. Closes every clone.
    ///
    /// # Errors
    /// When something was not settled within the delivery timeout.
    pub async fn close(&self) -> Result<(), PublishError> {
        Ok(self.producer.close().await?)
    }

    /// As [`Publisher::enqueue`], as part of a transaction, under the trace context that was
    /// current where the message was made; and what is to be told when that is committed, if
    /// somebody wants to know.
    pub(crate) async fn enqueue_in(
        &self,
        transaction: &Transaction<'_>,
        message: &Outgoing,
        trace: Option<&TraceContext>,
    ) -> Result<(Delivery, Option<Sending>), PublishError> {
        let id = id_of(message, id_for(message));
        let topic = self.topic_name(&message.topic)?;
        let trace = trace.filter(|_| !message.is_traced());
        let started = telemetry::start();
        let mut written = Written::new();
        let (few, many) = &mut headers_room();
        let headers = written.headers(message, id.made_id(), trace, few, many);
        let mut record = record(message, headers);
        record.topic = &topic;
        let delivery = transaction.enqueue(record).await?;
        let told = started.map(|started| sending(started, &topic, &id, trace_id(trace, message)));
        Ok((delivery, told))
    }

    /// Sends a dead letter to `topic`, which has its prefix already.
    pub(crate) async fn send_dead_letter(
        &self,
        topic: &str,
        letter: &NewDeadLetter,
    ) -> Result<(), PublishError> {
        let headers = letter_headers(letter);
        self.producer
            .send(letter_record(topic, letter, &headers))
            .await?;
        Ok(())
    }

    /// Accepts a dead letter for `topic`, which has its prefix already, as part of a
    /// transaction.
    pub(crate) async fn enqueue_letter_in(
        &self,
        transaction: &Transaction<'_>,
        topic: &str,
        letter: &NewDeadLetter,
    ) -> Result<Delivery, PublishError> {
        let headers = letter_headers(letter);
        let record = letter_record(topic, letter, &headers);
        Ok(transaction.enqueue(record).await?)
    }

    /// Looks `topic` (with its prefix) up, so that the first message need not.
    pub(crate) async fn warm_up(&self, topic: &str) {
        if let Err(error) = self.producer.topic(topic).await {
            tracing::debug!(event = "publisher_warm_up_failed", topic, %error);
        }
    }

    /// The topic of this name, given without its prefix.
    async fn topic(&self, name: &str) -> Result<TopicHandle, PublishError> {
        if let Some(topic) = self.shared.topics.find(name, &mut None) {
            return Ok(topic.clone());
        }
        let topic = self.producer.topic(&self.topic_name(name)?).await?;
        self.shared.topics.remember(name, &topic);
        Ok(topic)
    }

    fn prefixed<'a>(&self, topic: &'a str) -> Cow<'a, str> {
        self.shared.topic_prefix.put_on(topic)
    }

    fn topic_name<'a>(&self, topic: &'a str) -> Result<Cow<'a, str>, PublishError> {
        let topic = self.prefixed(topic);
        match topic_problem(&topic) {
            None => Ok(topic),
            Some(problem) => Err(PublishError::Topic {
                topic: topic.into_owned(),
                problem,
            }),
        }
    }
}

/// An id for a message that was given none.
#[inline]
fn id_for(message: &Outgoing) -> Option<MadeId> {
    (!message.has_id()).then(message_id::next)
}

/// The id of a message: the one that was made for it, or else given.
#[inline]
fn id_of(message: &Outgoing, made: Option<MadeId>) -> MessageId {
    made.map_or_else(|| message.given_id(), MessageId::made)
}

#[cold]
fn sending(started: Started, topic: &str, id: &MessageId, trace_id: Option<TraceId>) -> Sending {
    Sending {
        started,
        topic: topic.to_owned(),
        message_id: id.to_string(),
        trace_id,
    }
}
