//! What is known about a message on its way: itself, its id, its attempts, its status.

use bytes::Bytes;
use jiff::Timestamp;
use milena_client::producer::{ProduceError, RecordMetadata};
use tokio::sync::oneshot;

use super::limits::FAILURES_KEPT_MAX;
use super::schedule::Weighed;
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
    pub(super) attempts: u32,
    /// Grows in the order of being taken; of a publisher with a spool only.
    pub(super) number: u64,
    /// On the heap, as most messages have nothing of it, and all are kept until they are settled.
    rare: Option<Box<Rare>>,
}

/// What few messages have.
#[derive(Debug, Default)]
struct Rare {
    /// The first and the latest.
    failures: Vec<FailedAttempt>,
    /// Who waits for the end.
    waiter: Option<oneshot::Sender<Result<Delivered, PublishError>>>,
    /// When the attempt under way began, if somebody wants to know.
    started: Option<Started>,
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
    #[inline(always)]
    pub(super) fn new(message: Outgoing, id: MessageId) -> DeliveryContext {
        DeliveryContext {
            message,
            id,
            status: DeliveryStatus::Pending,
            attempts: 0,
            number: 0,
            rare: None,
        }
    }

    /// A message from the spool that is tried once more.
    pub(super) fn replayed(entry: Entry) -> DeliveryContext {
        let mut context = DeliveryContext::new(entry.message, entry.id);
        context.attempts = entry.attempts.saturating_add(1);
        context
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
        self.attempts
    }

    /// How far the message is.
    #[must_use]
    pub fn status(&self) -> DeliveryStatus {
        self.status
    }

    /// The first and the latest failed attempts.
    pub(super) fn failures(&self) -> &[FailedAttempt] {
        self.rare.as_ref().map_or(&[], |rare| &rare.failures)
    }

    pub(super) fn add_failure(&mut self, at: Timestamp, error: ProduceError) {
        let failures = &mut self.rare().failures;
        if failures.len() >= FAILURES_KEPT_MAX {
            failures.remove(1);
        }
        // One mostly, of as many messages as may wait.
        failures.reserve_exact(1);
        failures.push(FailedAttempt { at, error });
    }

    /// From here on somebody waits for the end.
    pub(super) fn wait(&mut self) -> oneshot::Receiver<Result<Delivered, PublishError>> {
        let (waiter, end) = oneshot::channel();
        self.rare().waiter = Some(waiter);
        end
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
        self.rare().started = Some(started);
    }

    /// When the attempt began that an event is to tell of.
    #[inline]
    pub(super) fn take_started(&mut self) -> Option<Started> {
        self.rare.as_mut()?.started.take()
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}
