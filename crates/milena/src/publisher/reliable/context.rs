//! What is known about a message on its way: itself, its id, its attempts, its status.

use bytes::Bytes;
use jiff::Timestamp;
use milena_client::producer::{ProduceError, RecordMetadata};
use tokio::sync::oneshot;

use super::limits::FAILURES_KEPT_MAX;
use crate::publisher::spool::Entry;
use crate::publisher::{MessageId, Outgoing, PublishError};

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
    /// The first and the latest.
    pub(super) failures: Vec<FailedAttempt>,
    /// Who waits for the end.
    pub(super) waiter: Option<oneshot::Sender<Result<Delivered, PublishError>>>,
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

impl DeliveryContext {
    pub(super) fn new(message: Outgoing, id: MessageId) -> DeliveryContext {
        DeliveryContext {
            message,
            id,
            status: DeliveryStatus::Pending,
            attempts: 0,
            number: 0,
            failures: Vec::new(),
            waiter: None,
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
        let mut metadata = self.message.metadata.iter().rev();
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

    pub(super) fn add_failure(&mut self, at: Timestamp, error: ProduceError) {
        if self.failures.len() >= FAILURES_KEPT_MAX {
            self.failures.remove(1);
        }
        // One mostly, of as many messages as may wait.
        self.failures.reserve_exact(1);
        self.failures.push(FailedAttempt { at, error });
    }

    /// Tells whoever waits; the status says it to everyone else.
    pub(super) fn tell(&mut self, end: Result<Delivered, PublishError>) {
        if let Some(waiter) = self.waiter.take() {
            // Nobody waits any more when it was cancelled.
            let _ = waiter.send(end);
        }
    }
}
