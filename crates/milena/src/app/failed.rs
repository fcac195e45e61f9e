//! A record whose handler failed: what is to become of it, and seeing to that.
//!
//! Owns the order of things after a failure: again in place, later through the retry topic,
//! dead letter, stop. Calls no handler; knows no queue and no commit.

use std::time::Duration;

use super::error::AppError;
use super::gate::{Gate, Sign};
use super::lifecycle::MessageEnd;
use super::retry_topic::RetryTopic;
use super::route::{LastResort, RouteContext};
use super::stop::StopFlag;
use crate::dead_letter::{History, NewDeadLetter};
use crate::failure::{ErrorClass, HandlerError, class_name};
use crate::message::Message;
use crate::publisher::{DeadLetters, PublishError};
use crate::retry::Retry;
use crate::telemetry;
use crate::wall_clock;

/// How a record is sent again when the topic for it does not take it: until it does.
const PUBLISH_RETRY: Retry = Retry::exponential(Duration::from_millis(250))
    .cap(Duration::from_secs(15))
    .attempts(u32::MAX);

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The handler succeeded.
    Handled,
    /// It is in the dead letter topic, acknowledged.
    DeadLettered,
    /// It failed for good, and nothing is kept of it.
    Skipped,
    /// It is in the retry topic, acknowledged.
    Moved,
    /// It was given up because of a stop, and is to be handled again.
    GivenBack,
}

impl Ended {
    /// As hooks have it.
    pub(super) fn told(self) -> MessageEnd {
        match self {
            Ended::Handled => MessageEnd::Handled,
            Ended::DeadLettered => MessageEnd::DeadLettered,
            Ended::Skipped => MessageEnd::Skipped,
            Ended::Moved => MessageEnd::Moved,
            Ended::GivenBack => MessageEnd::GivenBack,
        }
    }

    /// As events have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Ended::Handled => "handled",
            Ended::DeadLettered => "dead_lettered",
            Ended::Skipped => "skipped",
            Ended::Moved => "moved",
            Ended::GivenBack => "given_back",
        }
    }
}

/// What is to become of a record that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is tried again after this delay, in place.
    Again(Duration),
    /// It is tried again after this delay, and waits in the retry topic.
    Later(Duration),
    /// It becomes a dead letter, is skipped, or stops the application, as its topic says.
    LastResort,
    /// Nothing is kept of it.
    Skip,
    /// The application stops over it.
    Stop,
}

/// A record whose latest attempt failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) message: Message,
    error: HandlerError,
    history: History,
    /// The retry topic did not take it.
    is_immovable: bool,
    /// Attempts that failed while the topic was paused.
    attempts_paused: u32,
}

/// What settling came to.
#[derive(Debug)]
pub(super) enum Settled {
    Ended(Ended),
    /// The retry topic does not take it, so it is tried again in place, after this delay.
    InPlace(Box<Failed>, Duration),
}

impl Failed {
    /// Its first attempt failed.
    pub(super) fn new(message: Message, error: HandlerError) -> Failed {
        Failed::resumed(message, error, History::default())
    }

    /// An attempt failed, after what `history` tells.
    pub(super) fn resumed(message: Message, error: HandlerError, mut history: History) -> Failed {
        history.push(wall_clock::now(), &error);
        Failed {
            message,
            error,
            history,
            is_immovable: false,
            attempts_paused: 0,
        }
    }

    /// Another attempt failed.
    pub(super) fn failed_again(&mut self, error: HandlerError) {
        self.history.push(wall_clock::now(), &error);
        self.error = error;
    }

    /// What is to become of it. To be asked once an attempt: the topic may be paused, or go
    /// on, at any moment, and two answers may differ.
    pub(super) fn next(&self, context: &RouteContext) -> Next {
        if self.error.is_skipped() {
            return Next::Skip;
        }
        if let Some(gate) = self.gate_shut(context) {
            // It is hardly the record's fault: it waits for a probe. It may be, though, and
            // nobody can tell while nothing succeeds; so it does not wait for ever.
            let attempts_max = gate.attempts_max(context.retry.attempts_max());
            let may_go = !matches!(context.last_resort, LastResort::Stop);
            return match may_go && self.history.attempts() >= attempts_max {
                true => Next::LastResort,
                false => Next::Again(Duration::ZERO),
            };
        }
        let delay = match self.error.class() {
            ErrorClass::Terminal => return Next::Stop,
            ErrorClass::Retriable => context
                .retry
                .delay_after(self.attempts_counted(), fastrand::f64()),
            _ => None,
        };
        match delay {
            Some(delay) if context.retry_topic.is_some() && !self.is_immovable => {
                Next::Later(delay)
            }
            Some(delay) => Next::Again(delay),
            None => Next::LastResort,
        }
    }

    /// The gate that is shut over failures like this one.
    fn gate_shut<'a>(&self, context: &'a RouteContext) -> Option<&'a Gate> {
        let gate = context.gate.as_deref().filter(|gate| !gate.is_open());
        gate.filter(|_| Sign::of(&self.error) == Sign::Down)
    }

    /// Those made while the topic was paused are none of the record's.
    fn attempts_counted(&self) -> u32 {
        self.history.attempts().saturating_sub(self.attempts_paused)
    }

    /// Says that it is tried again, and counts the attempt.
    pub(super) fn begin_again(&mut self, delay: Duration, context: &RouteContext) {
        self.log("handler_retry", Some(delay));
        if context.is_paused() {
            self.attempts_paused += 1;
        }
        context.progress.add_retry();
        self.message.begin_again();
        if let Some(outbox) = self.message.outbox() {
            outbox.clear();
        }
    }

    /// Sees to what was [decided](Failed::next).
    pub(super) async fn settle(
        self,
        next: Next,
        context: &RouteContext,
        stop: &StopFlag,
    ) -> Settled {
        match next {
            Next::Later(delay) => self.move_on(delay, context, stop).await,
            Next::LastResort => {
                if let Some(gate) = self.gate_shut(context) {
                    gate.give_up_after(self.history.attempts());
                }
                Settled::Ended(self.settle_for_good(context, stop).await)
            }
            Next::Again(delay) => Settled::InPlace(Box::new(self), delay),
            Next::Skip => Settled::Ended(self.skip()),
            Next::Stop => Settled::Ended(self.give_up(context)),
        }
    }

    /// As [`Failed::settle`], for a failure that is not retriable.
    pub(super) async fn settle_for_good(self, context: &RouteContext, stop: &StopFlag) -> Ended {
        match &context.last_resort {
            LastResort::DeadLetter(dead_letters) => self.bury(dead_letters, context, stop).await,
            LastResort::Skip => self.skip(),
            LastResort::Stop => self.give_up(context),
        }
    }

    /// Keeps nothing of the record, nor of what its handler wanted to publish with it.
    fn skip(self) -> Ended {
        self.log("record_skipped", None);
        if let Some(outbox) = self.message.outbox() {
            outbox.clear();
        }
        Ended::Skipped
    }

    /// Stores the record in the retry topic, unless that does not take it.
    async fn move_on(
        mut self,
        delay: Duration,
        context: &RouteContext,
        stop: &StopFlag,
    ) -> Settled {
        let record = context.retry_topic.as_ref().and_then(|retry_topic| {
            let record = retry_topic.record(&self.message, &self.error, &self.history, delay)?;
            Some((retry_topic, record))
        });
        let outcome = match &record {
            Some((retry_topic, record)) => {
                self.publish(Place::Retry(retry_topic), record, stop).await
            }
            None => Published::Refused(None),
        };
        match outcome {
            Published::Acknowledged => {
                self.log("retry_moved", Some(delay));
                context.progress.add_retry();
                Settled::Ended(Ended::Moved)
            }
            Published::Stopped => Settled::Ended(Ended::GivenBack),
            Published::Refused(_) => {
                self.log("retry_not_moved", Some(delay));
                self.is_immovable = true;
                Settled::InPlace(Box::new(self), delay)
            }
        }
    }

    /// Stores the record's dead letter, however long that takes, unless told to stop.
    async fn bury(
        self,
        dead_letters: &DeadLetters,
        context: &RouteContext,
        stop: &StopFlag,
    ) -> Ended {
        let message = &self.message;
        let letter = dead_letters.letter(message, &self.error, &self.history);
        if let Some(outbox) = message.outbox() {
            // It counts with the record's offset, and no sooner.
            dead_letters.prepare().await;
            outbox.bury(dead_letters.topic(), letter);
            self.log("dead_letter", None);
            return Ended::DeadLettered;
        }
        let place = Place::DeadLetter(dead_letters);
        match self.publish(place, &letter, stop).await {
            Published::Acknowledged => {
                self.log("dead_letter", None);
                Ended::DeadLettered
            }
            Published::Stopped => Ended::GivenBack,
            Published::Refused(refusal) => {
                if let Some(refusal) = refusal {
                    context.fail(AppError::DeadLetter {
                        topic: message.topic().clone(),
                        partition: message.partition(),
                        offset: message.offset(),
                        dead_letter_topic: dead_letters.topic().to_owned(),
                        source: Box::new(refusal),
                    });
                }
                Ended::GivenBack
            }
        }
    }

    /// Stops the application over this record.
    pub(super) fn give_up(self, context: &RouteContext) -> Ended {
        context.fail(AppError::Terminal {
            topic: self.message.topic().clone(),
            partition: self.message.partition(),
            offset: self.message.offset(),
            error: self.error,
        });
        Ended::GivenBack
    }

    /// Publishes until the broker has the record, or never will.
    async fn publish(
        &self,
        place: Place<'_>,
        record: &NewDeadLetter,
        stop: &StopFlag,
    ) -> Published {
        for failed in 1.. {
            let Err(refusal) = place.publish(record).await else {
                return Published::Acknowledged;
            };
            tracing::warn!(
                event = place.event_failed(),
                topic = %self.message.topic(),
                partition = self.message.partition(),
                offset = self.message.offset(),
                place = place.topic(),
                trace_id = telemetry::trace_id(&self.message).map(display),
                error = %refusal,
            );
            let delay = PUBLISH_RETRY.delay_after(failed, fastrand::f64());
            let Some(delay) = delay.filter(|_| refusal.class() == ErrorClass::Retriable) else {
                return Published::Refused(Some(refusal));
            };
            if !sleep_unless_stopped(delay, stop).await {
                return Published::Stopped;
            }
        }
        Published::Stopped
    }

    fn log(&self, event: &str, delay: Option<Duration>) {
        let (message, error) = (&self.message, &self.error);
        tracing::warn!(
            event,
            topic = %message.topic(),
            partition = message.partition(),
            offset = message.offset(),
            attempt = message.attempt(),
            stage = error.stage().name(),
            class = class_name(error.class()),
            code = error.code(),
            delay_ms = delay.map(|delay| delay.as_millis()),
            trace_id = telemetry::trace_id(message).map(display),
            error = %error,
        );
    }
}

/// Where a record that failed is stored.
#[derive(Clone, Copy)]
enum Place<'a> {
    DeadLetter(&'a DeadLetters),
    Retry(&'a RetryTopic),
}

impl Place<'_> {
    fn topic(&self) -> &str {
        match self {
            Place::DeadLetter(dead_letters) => dead_letters.topic(),
            Place::Retry(retry_topic) => &retry_topic.topic,
        }
    }

    fn event_failed(&self) -> &'static str {
        match self {
            Place::DeadLetter(_) => "dead_letter_failed",
            Place::Retry(_) => "retry_move_failed",
        }
    }

    async fn publish(&self, record: &NewDeadLetter) -> Result<(), PublishError> {
        match self {
            Place::DeadLetter(dead_letters) => dead_letters.publish(record).await,
            Place::Retry(retry_topic) => retry_topic.publish(record).await,
        }
    }
}

/// What publishing a record that failed came to.
enum Published {
    Acknowledged,
    Stopped,
    /// For good; without an error where it was not even tried.
    Refused(Option<PublishError>),
}

/// Whether the delay passed without a stop.
pub(super) async fn sleep_unless_stopped(delay: Duration, stop: &StopFlag) -> bool {
    tokio::select! {
        () = tokio::time::sleep(delay) => !stop.is_raised(),
        () = stop.raised() => false,
    }
}
