//! What is known about a message on its way: itself, its id, its attempts, its status.
//!
//! While the producer has its record, only a [`Trail`] is kept of it, which is little: the record
//! says the rest, and is there until it is settled.

use bytes::Bytes;
use jiff::Timestamp;
use milena_client::producer::{ProduceError, RecordMetadata, RecordView};
use thin_vec::ThinVec;
use tokio::sync::oneshot;

use super::limits::FAILURES_KEPT_MAX;
use super::schedule::Weighed;
use crate::publisher::outgoing::Metadata;
use crate::publisher::spool::Entry;
use crate::publisher::{MessageId, Outgoing, PublishError};
use crate::telemetry::Started;

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryStatus {
    /// On its way to the topic, or to the dead letter topic after the last attempt failed.
    Pending,
    /// The topic has it, acknowledged.
    Success,
    /// An attempt failed; another follows.
    RetryScheduled,
    /// Lost to the publisher: neither the topic nor a dead letter topic has it.
    Failed,
    /// The dead letter topic has it, acknowledged.
    DeadLettered,
    /// On disk; it is sent when the cluster is back.
    Spooled,
}

/// A message that a [`ReliablePublisher`](crate::ReliablePublisher) has taken, as its
/// observer sees it.
#[derive(Debug)]
pub struct DeliveryContext {
    pub(super) message: Outgoing,
    pub(super) id: MessageId,
    pub(super) status: DeliveryStatus,
    pub(super) trail: Trail,
}

/// What a message's record does not say of it.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// On the heap, as most messages have nothing of it, and all have a trail until they are
    /// settled.
    rare: Option<Box<Rare>>,
    /// Grows in the order of being taken; of a publisher with a spool only.
    pub(super) number: u64,
    pub(super) attempts: u32,
    is_id_made: bool,
    is_partition_chosen: bool,
}

/// What few messages have. Small all the same, as many messages may be waiting: few of those failed
/// more than once.
#[derive(Debug, Default)]
pub(super) struct Rare {
    first_failure: Option<FailedAttempt>,
    /// The latest.
    later_failures: ThinVec<FailedAttempt>,
    /// Who waits for the end.
    waiter: Option<oneshot::Sender<Result<Delivered, PublishError>>>,
    /// When the attempt under way began, if somebody wants to know.
    started: Option<Box<Started>>,
    /// The message's, while the producer has its record.
    metadata: Option<Box<Metadata>>,
}

/// A record of a batch that was settled.
pub(super) struct Place<'a> {
    /// Without the configured prefix.
    pub(super) topic: &'a str,
    pub(super) partition: i32,
}

/// How a message ended well enough.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivered {
    /// The topic has it.
    Written(RecordMetadata),
    /// The dead letter topic of this name (with its prefix) has it.
    DeadLettered(String),
    /// It is in the spool: on disk, and sent when the cluster is back, be it by the next
    /// process. Observers and counts tell when that is.
    Spooled,
}

/// Small, as many messages may be waiting: the records of a batch share their error.
#[derive(Debug, Clone)]
pub(super) struct FailedAttempt {
    pub(super) at: Timestamp,
    pub(super) error: ProduceError,
}

impl Weighed for Box<DeliveryContext> {
    /// What the application gave; the rest is about as much for each message.
    fn bytes(&self) -> usize {
        let message = &self.message;
        let field = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers = message.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.len() + field(value)).sum();
        message.topic.len() + field(&message.key) + field(&message.value) + headers
    }
}

impl DeliveryContext {
    pub(super) fn new(
        message: Outgoing,
        id: MessageId,
        rare: Option<Box<Rare>>,
    ) -> DeliveryContext {
        DeliveryContext {
            trail: Trail::new(&message, id.made_id().is_some(), rare),
            message,
            id,
            status: DeliveryStatus::Pending,
        }
    }

    /// A message from the spool that is tried once more.
    pub(super) fn replayed(entry: Entry) -> DeliveryContext {
        let mut context = DeliveryContext::new(entry.message, entry.id, None);
        context.trail.attempts = entry.attempts.saturating_add(1);
        context
    }

    /// A message whose record is settled, under the timestamp that it had.
    pub(super) fn of_record(
        record: &RecordView<'_>,
        place: &Place<'_>,
        mut trail: Trail,
    ) -> DeliveryContext {
        let copy = |field: Option<&[u8]>| field.map(Bytes::copy_from_slice);
        // An id that was made comes behind the message's own headers.
        let own = record.headers.len().saturating_sub(trail.is_id_made.into());
        let mut headers = record.headers.iter();
        let own_headers = headers.by_ref().take(own);
        let message = Outgoing {
            partition: trail.is_partition_chosen.then_some(place.partition),
            timestamp: Some(record.timestamp),
            key: copy(record.key),
            value: copy(record.value),
            headers: own_headers
                .map(|header| (header.key_text().into_owned(), copy(header.value)))
                .collect(),
            metadata: trail.rare.as_mut().and_then(|rare| rare.metadata.take()),
            ..Outgoing::to_topic(place.topic.into())
        };
        let made = headers.next().and_then(|header| header.value);
        let made = made.and_then(MessageId::of_text);
        DeliveryContext {
            id: made.unwrap_or_else(|| message.given_id()),
            message,
            status: DeliveryStatus::Pending,
            trail,
        }
    }

    /// The topic, without the configured prefix.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.message.topic
    }

    /// The key; `None` when it is null.
    #[must_use]
    pub fn key(&self) -> Option<&Bytes> {
        self.message.key.as_ref()
    }

    /// The value; `None` when it is null.
    #[must_use]
    pub fn value(&self) -> Option<&Bytes> {
        self.message.value.as_ref()
    }

    /// The headers the message was given, in order; one with an id that was made is not
    /// among them.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = self.message.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// The message's id; every attempt and the dead letter have the same.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.id
    }

    /// What [`Outgoing::metadata`] attached under this name, the latest.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&str> {
        let mut metadata = self.message.attached().iter().rev();
        metadata
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_str())
    }

    /// How many attempts there were, the one under way included.
    #[must_use]
    pub fn attempt_count(&self) -> u32 {
        self.trail.attempts
    }

    /// How far the message is.
    #[must_use]
    pub fn status(&self) -> DeliveryStatus {
        self.status
    }

    /// The first and the latest failed attempts.
    pub(super) fn failures(&self) -> impl DoubleEndedIterator<Item = &FailedAttempt> {
        let rare = self.trail.rare.iter();
        rare.flat_map(|rare| rare.first_failure.iter().chain(&rare.later_failures))
    }

    pub(super) fn add_failure(&mut self, at: Timestamp, error: ProduceError) {
        let rare = self.trail.rare();
        let failure = FailedAttempt { at, error };
        if rare.first_failure.is_none() {
            rare.first_failure = Some(failure);
            return;
        }
        if rare.later_failures.len() + 1 >= FAILURES_KEPT_MAX {
            rare.later_failures.remove(0);
        }
        rare.later_failures.push(failure);
    }
}

impl Trail {
    /// The trail of a message that nothing happened to yet.
    #[inline]
    fn new(message: &Outgoing, is_id_made: bool, rare: Option<Box<Rare>>) -> Trail {
        Trail {
            rare,
            number: 0,
            attempts: 0,
            is_id_made,
            is_partition_chosen: message.partition.is_some(),
        }
    }

    /// The trail of a message whose first attempt is under way.
    #[inline]
    pub(super) fn begun(
        message: &Outgoing,
        is_id_made: bool,
        number: u64,
        rare: Option<Box<Rare>>,
    ) -> Trail {
        let mut trail = Trail::new(message, is_id_made, rare);
        trail.begin(number);
        trail
    }

    /// The first attempt begins.
    #[inline]
    pub(super) fn begin(&mut self, number: u64) {
        self.number = number;
        self.attempts = 1;
    }

    /// The producer has the message's record: the trail is what it is to keep, with what else the
    /// record does not say.
    #[inline]
    pub(super) fn leave(&mut self, metadata: &mut Option<Box<Metadata>>) -> Trail {
        if metadata.is_some() {
            self.rare().metadata = metadata.take();
        }
        std::mem::take(self)
    }

    /// Whether there is nothing that few messages have.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.rare.is_none()
    }

    /// A number that trails share which say the same of their messages.
    #[inline]
    pub(super) fn likeness(&self) -> Option<u64> {
        let is_plain = self.is_plain() && self.number == 0;
        let flags = u64::from(self.is_id_made) << 1 | u64::from(self.is_partition_chosen);
        is_plain.then_some(u64::from(self.attempts) << 2 | flags)
    }

    /// The trail of the next of the messages of which it says the same: of one, or of plain ones.
    pub(super) fn next(&mut self) -> Trail {
        Trail {
            rare: self.rare.take(),
            number: self.number,
            attempts: self.attempts,
            is_id_made: self.is_id_made,
            is_partition_chosen: self.is_partition_chosen,
        }
    }

    pub(super) fn is_awaited(&self) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.waiter.is_some())
    }

    /// Tells whoever waits; the status says it to everyone else.
    pub(super) fn tell(&mut self, end: Result<Delivered, PublishError>) {
        if let Some(waiter) = self.rare.as_mut().and_then(|rare| rare.waiter.take()) {
            // Nobody waits any more when it was cancelled.
            let _ = waiter.send(end);
        }
    }

    /// An attempt begins that an event is to tell of.
    #[cold]
    pub(super) fn start(&mut self, started: Started) {
        self.rare().started = Some(Box::new(started));
    }

    pub(super) fn is_started(&self) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.started.is_some())
    }

    /// When the attempt began that an event is to tell of.
    #[inline]
    pub(super) fn take_started(&mut self) -> Option<Started> {
        let started = self.rare.as_mut()?.started.take();
        started.map(|started| *started)
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

impl Rare {
    /// Somebody waits for the end.
    pub(super) fn awaited() -> (
        Box<Rare>,
        oneshot::Receiver<Result<Delivered, PublishError>>,
    ) {
        let (waiter, end) = oneshot::channel();
        let rare = Rare {
            waiter: Some(waiter),
            ..Rare::default()
        };
        (Box::new(rare), end)
    }
}
