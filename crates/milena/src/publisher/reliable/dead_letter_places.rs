//! Where the dead letters of each topic go, and what they say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use milena_client::Admin;
use milena_client::producer::{ProduceError, ProduceErrorKind};

use super::context::DeliveryContext;
use crate::dead_letter::{FailurePlace, History, NewDeadLetter, host_name, topic_default};
use crate::failure::{FailureStage, HandlerError};
use crate::message::{Headers, MESSAGE_ID_HEADER, Message, OwnRecord};
use crate::publisher::{DeadLetters, Publisher, Readiness};

/// What was configured.
#[derive(Debug, Clone, Default)]
pub(super) enum DeadLetterTopic {
    /// `<topic>.dlq`.
    #[default]
    Default,
    /// One for all topics.
    Named(String),
    /// None: what cannot be delivered is failed.
    None,
}

/// The dead letter topics in use.
pub(super) struct Places {
    default: DeadLetterTopic,
    by_topic: HashMap<String, DeadLetterTopic>,
    publisher: Publisher,
    /// As many as there are topics published to.
    known: Mutex<HashMap<String, Arc<DeadLetters>>>,
}

impl Places {
    pub(super) fn new(
        publisher: Publisher,
        default: DeadLetterTopic,
        by_topic: HashMap<String, DeadLetterTopic>,
    ) -> Places {
        Places {
            default,
            by_topic,
            publisher,
            known: Mutex::default(),
        }
    }

    /// Where the dead letters of `topic` go; `None` when there are to be none.
    pub(super) fn of(&self, topic: &str) -> Option<Arc<DeadLetters>> {
        let name = match self.by_topic.get(topic).unwrap_or(&self.default) {
            DeadLetterTopic::Default => topic_default(topic),
            DeadLetterTopic::Named(name) => name.clone(),
            DeadLetterTopic::None => return None,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = known
            .entry(topic.to_owned())
            .or_insert_with(|| Arc::new(self.place(topic, &name)));
        Some(place.clone())
    }

    fn place(&self, topic: &str, name: &str) -> DeadLetters {
        let shared = &self.publisher.shared;
        let origin = FailurePlace {
            topic: shared.topic_prefix.put_on(topic).into_owned(),
            group: String::new(),
            handler: "publisher".to_owned(),
            app: shared.client_id.clone(),
            host: host_name(),
            redact: None,
            record_bytes_max: shared.dead_letter_record_bytes,
        };
        DeadLetters {
            topic: shared.topic_prefix.put_on(name).into_owned(),
            origin,
            publisher: self.publisher.clone(),
            admin: shared
                .dead_letter_create_topic
                .then(|| Admin::new(&shared.client)),
            readiness: Readiness::default(),
        }
    }
}

/// The dead letter of a message whose attempts all failed.
pub(super) fn letter(place: &DeadLetters, context: &DeliveryContext) -> NewDeadLetter {
    let mut history = History::default();
    let mut error = HandlerError::non_retriable("never tried").at_stage(FailureStage::Publish);
    for failure in context.failures() {
        error = diagnosis(&failure.error);
        history.push(failure.at, &error);
    }
    history.set_attempts(context.trail.attempts);
    place.letter(&message(context), &error, &history)
}

fn message(context: &DeliveryContext) -> Message {
    let outgoing = &context.message;
    let mut headers = outgoing.headers.to_vec();
    if !outgoing.has_id() {
        let id = context.id.to_string();
        headers.push((MESSAGE_ID_HEADER.to_owned(), Some(id.into())));
    }
    let first = context.failures().next();
    let timestamp = outgoing
        .timestamp
        .unwrap_or_else(|| first.map_or(0, |failure| failure.at.as_millisecond()));
    Message::from(OwnRecord {
        key: outgoing.key.clone(),
        value: outgoing.value.clone(),
        // Written nowhere yet, so neither is known.
        partition: -1,
        offset: -1,
        timestamp,
        headers: Headers::own(headers),
        ..OwnRecord::new(outgoing.topic.as_str().into())
    })
}

fn diagnosis(error: &ProduceError) -> HandlerError {
    HandlerError::non_retriable(error)
        .with_class(error.class())
        .with_code(code(error))
        .at_stage(FailureStage::Publish)
}

/// Kafka's name of the error where the broker gave one.
fn code(error: &ProduceError) -> &'static str {
    match error.kind() {
        ProduceErrorKind::Rejected { code, .. } => code.name(),
        ProduceErrorKind::Closed => "closed",
        ProduceErrorKind::RecordTooLarge { .. } => "record-too-large",
        ProduceErrorKind::BufferFull { .. } => "buffer-full",
        ProduceErrorKind::NoSuchPartition { .. } => "no-such-partition",
        ProduceErrorKind::TimedOut { .. } => "timed-out",
        ProduceErrorKind::Client(error) => error.code().map_or("client", |code| code.name()),
        _ => "publish",
    }
}
