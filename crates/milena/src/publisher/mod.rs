//! Publishing: typed messages out, through one producer that all clones share.
//!
//! Owns the typed side of sending: topic prefix, message ids, errors, in `reliable/` what
//! becomes of a message that failed, and in `spool/` messages on disk. The way to the broker is the client's.

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
use milena_client::producer::{Delivery, Header, ProduceError, Producer, Record, RecordMetadata};
use milena_client::transaction::Transaction;

pub(crate) use self::dead_letters::{DeadLetters, Readiness};
pub use self::error::PublishError;
pub use self::message_id::MessageId;
use self::message_id::MessageIds;
pub use self::outgoing::Outgoing;
pub(crate) use self::reliable::Circuit;
pub use self::reliable::{
    Breaker, BreakerState, Delivered, DeliveryContext, DeliveryCounts, DeliveryObserver,
    DeliveryStatus, MetricData, PublisherHealth, ReliableBuilder, ReliablePublisher, SpoolHealth,
};
pub use self::serialize::ToBytes;
pub use self::spool::{Spool, SpoolError, SpoolSync};
use self::topics::{Topic, Topics};
use crate::config::publisher::PublisherSettings;
use crate::config::{Config, topic_problem};
use crate::dead_letter::NewDeadLetter;
use crate::message::MESSAGE_ID_HEADER;
use crate::telemetry::{
    self, Sending, Started, TRACEPARENT_BYTES, TRACEPARENT_HEADER, TRACESTATE_HEADER, TraceContext,
    TraceId, TraceMode,
};

/// Publishes messages. Cheap to clone; all clones share buffers, connections and what
/// [`Publisher::close`] closes.
///
/// Acknowledged by all in-sync replicas and idempotent: a retry writes nothing twice.
#[derive(Debug, Clone)]
pub struct Publisher {
    producer: Producer,
    shared: Arc<Shared>,
}

/// What the clones of a publisher share beside the producer.
#[derive(Debug)]
struct Shared {
    client: Client,
    ids: MessageIds,
    topics: Topics,
    topic_prefix: String,
    client_id: String,
    trace_mode: TraceMode,
    delivery_timeout: Duration,
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
                ids: MessageIds::new(),
                topics: Topics::default(),
                topic_prefix: config.topic_prefix.clone(),
                client_id: config.client_id.clone(),
                trace_mode: config.trace_mode,
                delivery_timeout: config.delivery_timeout,
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
        let id = self.id_of(message);
        let trace = self.trace_of(message);
        let started = telemetry::start();
        let answer = match self.topic(&message.topic).await {
            Ok(topic) => {
                let mut written = Written::new();
                let (few, many) = &mut headers_room();
                let headers = written.headers(message, &id, trace.as_ref(), few, many);
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
    pub async fn enqueue(&self, message: &Outgoing) -> Result<Delivery, PublishError> {
        let trace = self.trace_of(message);
        self.enqueue_as(message, &self.id_of(message), trace.as_ref())
            .await
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
                let headers = written.headers(message, id, trace, few, many);
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

    /// Waits until everything taken before is settled, without lingering.
    ///
    /// # Errors
    /// When that takes longer than `timeout`; nothing is lost by it.
    pub async fn flush(&self, timeout: Duration) -> Result<(), PublishError> {
        Ok(self.producer.flush(timeout).await?)
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
        let id = self.id_of(message);
        let topic = self.topic_name(&message.topic)?;
        let trace = trace.filter(|_| !message.is_traced());
        let started = telemetry::start();
        let mut written = Written::new();
        let (few, many) = &mut headers_room();
        let headers = written.headers(message, &id, trace, few, many);
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
    #[inline]
    async fn topic(&self, name: &str) -> Result<Topic<'_>, PublishError> {
        match self.shared.topics.find(name) {
            Some(topic) => Ok(topic),
            None => Box::pin(self.look_up(name)).await,
        }
    }

    #[cold]
    async fn look_up(&self, name: &str) -> Result<Topic<'_>, PublishError> {
        let topic = self.producer.topic(&self.topic_name(name)?).await?;
        self.shared.topics.remember(name, &topic);
        Ok(Topic::OfMany(topic))
    }

    fn prefixed<'a>(&self, topic: &'a str) -> Cow<'a, str> {
        match self.shared.topic_prefix.as_str() {
            "" => Cow::Borrowed(topic),
            prefix => Cow::Owned(format!("{prefix}{topic}")),
        }
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

    fn id_of(&self, message: &Outgoing) -> MessageId {
        message
            .given_id()
            .unwrap_or_else(|| MessageId::made(self.shared.ids.next()))
    }
}

/// Messages with so many headers, the id's among them, need no room on the heap.
const HEADERS_FEW: usize = 6;

const NO_HEADER: Header<'static> = Header {
    key: "",
    value: None,
};

fn headers_room<'a>() -> ([Header<'a>; HEADERS_FEW], Vec<Header<'a>>) {
    ([NO_HEADER; HEADERS_FEW], Vec::new())
}

/// The texts of an id and a trace context while their record is encoded.
struct Written {
    id: [u8; uuid::fmt::Hyphenated::LENGTH],
    traceparent: [u8; TRACEPARENT_BYTES],
}

impl Written {
    fn new() -> Written {
        Written {
            id: [0; uuid::fmt::Hyphenated::LENGTH],
            traceparent: [0; TRACEPARENT_BYTES],
        }
    }

    /// The message's headers, its id unless it is one of them, and the trace context.
    fn headers<'a>(
        &'a mut self,
        message: &'a Outgoing,
        id: &MessageId,
        trace: Option<&'a TraceContext>,
        few: &'a mut [Header<'a>; HEADERS_FEW],
        many: &'a mut Vec<Header<'a>>,
    ) -> &'a [Header<'a>] {
        let id = id.made_text(&mut self.id).map(|text| Header {
            key: MESSAGE_ID_HEADER,
            value: Some(text),
        });
        let own = message.headers.iter().map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        });
        let mut count = message.headers.len() + usize::from(id.is_some());
        let (mut parent, mut state) = (None, None);
        if let Some(trace) = trace {
            self.traceparent = trace.traceparent();
            parent = Some(Header {
                key: TRACEPARENT_HEADER,
                value: Some(&self.traceparent),
            });
            state = trace.state().map(|state| Header {
                key: TRACESTATE_HEADER,
                value: Some(state.as_bytes()),
            });
            count += 1 + usize::from(state.is_some());
        }
        let headers = own.chain(id).chain(parent).chain(state);
        if let Some(room) = few.get_mut(..count) {
            for (slot, header) in room.iter_mut().zip(headers) {
                *slot = header;
            }
            return room;
        }
        many.extend(headers);
        many
    }
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

/// The trace a message belongs to: by what is put into its headers, or is there already.
fn trace_id(put: Option<&TraceContext>, message: &Outgoing) -> Option<TraceId> {
    let own = || message.traceparent()?.parse::<TraceContext>().ok();
    put.map(TraceContext::trace_id)
        .or_else(|| own().map(|context| context.trace_id()))
}

/// The record of a message, for a topic that was looked up.
fn record<'a>(message: &'a Outgoing, headers: &'a [Header<'a>]) -> Record<'a> {
    let mut record = Record::to("").headers(headers);
    record.key = message.key.as_deref();
    record.value = message.value.as_deref();
    record.partition = message.partition;
    record.timestamp = message.timestamp;
    record
}

fn letter_headers(letter: &NewDeadLetter) -> Vec<Header<'_>> {
    let headers = letter.headers.iter();
    headers
        .map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        })
        .collect()
}

fn letter_record<'a>(
    topic: &'a str,
    letter: &'a NewDeadLetter,
    headers: &'a [Header<'a>],
) -> Record<'a> {
    let mut record = Record::to(topic)
        .headers(headers)
        .timestamp(letter.timestamp);
    record.key = letter.key.as_deref();
    record.value = letter.value.as_deref();
    record
}
