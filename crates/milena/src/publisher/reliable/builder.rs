//! What a reliable publisher can be told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::breaker::Breaker;
use super::counts::Counters;
use super::dead_letter_places::{DeadLetterTopic, Places};
use super::limits::WAITING_MAX_DEFAULT;
use super::observer::{DeliveryObserver, MetricData, Metrics, Observers};
use super::pacing::Pacing;
use super::rate::RateLimit;
use super::schedule::Schedule;
use super::shared::Shared;
use super::{ReliablePublisher, worker};
use crate::publisher::Publisher;
use crate::retry::Retry;

/// Builds a [`ReliablePublisher`]; from [`Publisher::reliable`].
#[must_use = "a builder does nothing until `build`"]
pub struct ReliableBuilder {
    publisher: Publisher,
    retry: Retry,
    dead_letters: DeadLetterTopic,
    dead_letters_by_topic: HashMap<String, DeadLetterTopic>,
    observers: Observers,
    waiting_max: usize,
    breaker: Option<Breaker>,
    rate_limit: Option<RateLimit>,
}

impl ReliableBuilder {
    pub(in crate::publisher) fn new(publisher: Publisher) -> ReliableBuilder {
        ReliableBuilder {
            publisher,
            retry: Retry::default(),
            dead_letters: DeadLetterTopic::Default,
            dead_letters_by_topic: HashMap::new(),
            observers: Observers::default(),
            waiting_max: WAITING_MAX_DEFAULT,
            breaker: None,
            rate_limit: None,
        }
    }

    /// How often a message is tried, and how long to wait in between: 1 s, 2 s, 4 s, 8 s by
    /// default. Each attempt is one of the producer, which tries for `delivery.timeout.ms`.
    pub fn retry(mut self, retry: Retry) -> ReliableBuilder {
        self.retry = retry;
        self
    }

    /// Where the dead letters of all topics go (without the configured prefix), instead of
    /// `<topic>.dlq`.
    pub fn dead_letter_topic(mut self, name: impl Into<String>) -> ReliableBuilder {
        self.dead_letters = DeadLetterTopic::Named(name.into());
        self
    }

    /// Where the dead letters of one topic go; overrides
    /// [`dead_letter_topic`](Self::dead_letter_topic).
    pub fn dead_letter_topic_for(
        mut self,
        topic: impl Into<String>,
        name: impl Into<String>,
    ) -> ReliableBuilder {
        let name = DeadLetterTopic::Named(name.into());
        self.dead_letters_by_topic.insert(topic.into(), name);
        self
    }

    /// No dead letters: a message that cannot be delivered is failed.
    pub fn no_dead_letters(mut self) -> ReliableBuilder {
        self.dead_letters = DeadLetterTopic::None;
        self
    }

    /// Who is told what becomes of messages; there may be several.
    pub fn observer(mut self, observer: impl DeliveryObserver) -> ReliableBuilder {
        self.observers.0.push(Box::new(observer));
        self
    }

    /// Has `callback` called with a name and data, on each of
    ///
    /// | name | when |
    /// |---|---|
    /// | `publisher.delivered` | the topic has a message |
    /// | `publisher.attempt_failed` | an attempt failed, and was not the end |
    /// | `publisher.retry_scheduled` | a further attempt follows after `delay` |
    /// | `publisher.dead_lettered` | the dead letter topic has a message |
    /// | `publisher.failed` | neither has a message |
    /// | `publisher.closed` | the publisher is closed |
    pub fn metrics<F>(self, callback: F) -> ReliableBuilder
    where
        F: Fn(&'static str, &MetricData<'_>) + Send + Sync + 'static,
    {
        self.observer(Metrics(callback))
    }

    /// Pauses after enough retriable failures in a row: new messages are refused with
    /// [`PublishError::BreakerOpen`](crate::PublishError::BreakerOpen), retries wait, until a
    /// probe arrives. No breaker by default.
    pub fn breaker(mut self, breaker: Breaker) -> ReliableBuilder {
        self.breaker = Some(breaker);
        self
    }

    /// How fast new messages are taken; publishing waits. Retries and dead letters do not
    /// count. No limit by default.
    pub fn rate_limit(mut self, limit: RateLimit) -> ReliableBuilder {
        self.rate_limit = Some(limit);
        self
    }

    /// How many failed messages may wait for a retry or a dead letter; 100 000 by default.
    /// With so many, publishing waits until there are fewer. 0 counts as 1.
    pub fn waiting_max(mut self, messages: usize) -> ReliableBuilder {
        self.waiting_max = messages.max(1);
        self
    }

    /// Starts the publisher. Needs a tokio runtime, as the publisher below did.
    #[must_use]
    pub fn build(self) -> ReliablePublisher {
        let places = Places::new(
            self.publisher.clone(),
            self.dead_letters,
            self.dead_letters_by_topic,
        );
        let shared = Arc::new(Shared {
            publisher: self.publisher,
            observers: self.observers,
            counters: Counters::default(),
            places,
            pacing: Pacing::new(self.breaker, self.rate_limit),
            schedule: Mutex::new(Schedule::new(self.retry)),
            waiting: AtomicUsize::new(0),
            waiting_max: self.waiting_max,
            room: Notify::new(),
            work: Notify::new(),
            is_closed: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
        });
        tokio::spawn(worker::run(shared.clone()));
        ReliablePublisher::new(shared)
    }
}
