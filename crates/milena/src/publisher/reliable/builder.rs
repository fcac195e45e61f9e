//! What a reliable publisher can be told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};

use super::breaker::Breaker;
use super::counts::Counters;
use super::dead_letter_places::{DeadLetterTopic, Places};
use super::limits::{SPOOL_BREAKER_FAILURES, WAITING_BYTES_DEFAULT, WAITING_MAX_DEFAULT};
use super::observer::{DeliveryObserver, MetricData, Metrics, Observers};
use super::pacing::Pacing;
use super::schedule::Schedule;
use super::shared::Shared;
use super::spooler::Spooler;
use super::told::Told;
use super::{ReliablePublisher, replay, spooler, worker};
use crate::metrics;
use crate::publisher::spool::Spool;
use crate::publisher::{PublishError, Publisher};
use crate::rate::RateLimit;
use crate::retry::Retry;

/// Builds a [`ReliablePublisher`]; from [`Publisher::reliable`]. What is not said here is as the
/// [`Config`](crate::Config) says under `milena.publisher.…`, and else as said below.
#[must_use = "a builder does nothing until `build`"]
pub struct ReliableBuilder {
    publisher: Publisher,
    retry: Retry,
    dead_letters: DeadLetterTopic,
    dead_letters_by_topic: HashMap<String, DeadLetterTopic>,
    observers: Observers,
    waiting_max: usize,
    waiting_bytes_max: usize,
    breaker: Option<Breaker>,
    rate_limit: Option<RateLimit>,
    spool: Option<Spool>,
}

impl ReliableBuilder {
    pub(crate) const WAITING_MAX_DEFAULT: usize = WAITING_MAX_DEFAULT;
    pub(crate) const WAITING_BYTES_DEFAULT: usize = WAITING_BYTES_DEFAULT;

    pub(in crate::publisher) fn new(publisher: Publisher) -> ReliableBuilder {
        let settings = &publisher.shared.settings;
        let retry = Retry::exponential(settings.retry_delay)
            .cap(settings.retry_delay_max)
            .attempts(settings.retry_attempts);
        let breaker = |failures| Breaker::after(failures).pause(settings.breaker_pause);
        let limit = |messages| RateLimit::per_second(messages).burst(settings.rate_burst);
        let some = |number: u32| (number > 0).then_some(number);
        ReliableBuilder {
            retry,
            dead_letters: match &settings.dead_letter_topic {
                _ if !settings.has_dead_letters => DeadLetterTopic::None,
                Some(name) => DeadLetterTopic::Named(name.clone()),
                None => DeadLetterTopic::Default,
            },
            dead_letters_by_topic: HashMap::new(),
            observers: Observers::default(),
            waiting_max: settings.waiting_max,
            waiting_bytes_max: settings.waiting_bytes,
            breaker: some(settings.breaker_failures).map(breaker),
            rate_limit: some(settings.rate_limit).map(limit),
            spool: settings.spool(),
            publisher,
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

    /// Has `callback` called with a name and data, on each of those below. Sums for Prometheus
    /// are in [`crate::metrics`] without it.
    ///
    /// | name | when |
    /// |---|---|
    /// | `publisher.delivered` | the topic has a message |
    /// | `publisher.attempt_failed` | an attempt failed, and was not the end |
    /// | `publisher.retry_scheduled` | a further attempt follows after `delay` |
    /// | `publisher.dead_lettered` | the dead letter topic has a message |
    /// | `publisher.spooled` | the spool has a message |
    /// | `publisher.failed` | neither has a message |
    /// | `publisher.closed` | the publisher is closed |
    pub fn metrics<F>(self, callback: F) -> ReliableBuilder
    where
        F: Fn(&'static str, &MetricData<'_>) + Send + Sync + 'static,
    {
        self.observer(Metrics(callback))
    }

    /// Pauses after enough retriable failures in a row: new messages are refused with
    /// [`PublishError::BreakerOpen`], retries wait, until a
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

    /// Keeps messages on disk while the cluster is gone, and sends them when it is back, be it
    /// by the next process. A directory, or a [`Spool`] that says more. No spool by default.
    ///
    /// The breaker is the trigger; without one of its own, this publisher gets one that opens
    /// after ten failed attempts in a row. Attempts fail after `delivery.timeout.ms`, or
    /// `max.block.ms` where a topic is not known yet or the buffer is full: until then messages
    /// wait in memory, as ever. With the breaker open, the buffer full or no broker to be found,
    /// what had been taken and fails goes to the spool, and so do new messages instead of
    /// being refused; both are then [`Spooled`](crate::DeliveryStatus::Spooled). A message
    /// that neither its topic nor its dead letter topic takes goes there too, as does what is
    /// open when the publisher is closed.
    ///
    /// While the spool holds anything, new messages go behind it. It is replayed once nothing
    /// else is on its way: first what had been taken when the cluster went away, in the order
    /// in which it was taken, then what was taken since. So the order of a key holds, but for
    /// what is on its way when the cluster comes back: a message that fails then arrives after
    /// those behind it that get through, as with any retry. **Messages arrive at least once**:
    /// what was written and not acknowledged, or not noted as such before a crash, is written
    /// again, under the same id. A message stays until its topic has it; if it is refused for
    /// good it becomes a dead letter, with the failures since the spool took it. A partition
    /// that stays unavailable alone holds up the replay.
    ///
    /// An entry that was torn or damaged on disk is skipped, logged as `event=spool_damaged`,
    /// and kept in a file `.damaged`.
    pub fn spool(mut self, spool: impl Into<Spool>) -> ReliableBuilder {
        self.spool = Some(spool.into());
        self
    }

    /// How many failed messages may wait for a retry or a dead letter; 100 000 by default.
    /// With so many, publishing waits until there are fewer. 0 counts as 1.
    pub fn waiting_max(mut self, messages: usize) -> ReliableBuilder {
        self.waiting_max = messages.max(1);
        self
    }

    /// How many bytes failed messages may have together while they wait, in topics, keys, values
    /// and headers; 256 MiB by default. With so many, publishing waits until there are fewer. A
    /// message takes about 400 bytes more than these.
    pub fn waiting_bytes_max(mut self, bytes: usize) -> ReliableBuilder {
        self.waiting_bytes_max = bytes.max(1);
        self
    }

    /// Starts the publisher. Needs a tokio runtime, as the publisher below did. With a spool it
    /// reads what that holds, which blocks for as long as it takes.
    ///
    /// # Errors
    /// [`PublishError::Spool`] when the spool cannot be opened, or another publisher has it.
    pub fn build(self) -> Result<ReliablePublisher, PublishError> {
        let spooler = self.spool.map(Spooler::open).transpose()?.map(Arc::new);
        let pause = self.publisher.shared.settings.breaker_pause;
        let default = Breaker::after(SPOOL_BREAKER_FAILURES).pause(pause);
        let breaker = self.breaker.or(spooler.is_some().then_some(default));
        let counters = Counters::default();
        if let Some(spooler) = &spooler {
            counters.recover(spooler.facts().messages);
        }
        let places = Places::new(
            self.publisher.clone(),
            self.dead_letters,
            self.dead_letters_by_topic,
        );
        let shared = Arc::new(Shared {
            publisher: self.publisher,
            observers: self.observers,
            counters,
            places,
            spooler: spooler.clone(),
            pacing: Pacing::new(breaker, self.rate_limit),
            schedule: Mutex::new(Schedule::new(self.retry)),
            look: Mutex::default(),
            waiting: AtomicUsize::new(0),
            waiting_max: self.waiting_max,
            waiting_bytes_max: self.waiting_bytes_max,
            is_full: AtomicBool::new(false),
            room: Notify::new(),
            work: Notify::new(),
            told: Told::new(),
            is_closed: AtomicBool::new(false),
            stop: watch::Sender::new(false),
            is_abandoned: AtomicBool::new(false),
        });
        metrics::register(&shared);
        tokio::spawn(worker::run(shared.clone()));
        if let Some(spooler) = spooler {
            tokio::spawn(spooler::write(shared.clone(), spooler.clone()));
            tokio::spawn(replay::run(shared.clone(), spooler));
        }
        Ok(ReliablePublisher::new(shared))
    }
}

#[cfg(test)]
mod tests;
