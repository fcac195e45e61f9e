//! A record whose handler failed: what is to become of it, and seeing to that.
//!
//! Owns the order of things after a failure: again in place, dead letter, stop. Calls no
//! handler; knows no queue and no commit.

use std::time::Duration;

use jiff::Timestamp;

use super::error::AppError;
use super::route::RouteContext;
use super::stop::StopFlag;
use crate::dead_letter::History;
use crate::failure::{ErrorClass, HandlerError, class_name};
use crate::message::Message;
use crate::retry::Retry;

/// How a dead letter is sent again when its topic does not take it: until it does.
const DEAD_LETTER_RETRY: Retry = Retry::exponential(Duration::from_millis(250))
    .cap(Duration::from_secs(15))
    .attempts(u32::MAX);

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The handler succeeded.
    Handled,
    /// It is in the dead letter topic, acknowledged.
    DeadLettered,
    /// It was given up because of a stop, and is to be handled again.
    GivenBack,
}

/// What is to become of a record that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is tried again after this delay, in place.
    Again(Duration),
    /// It becomes a dead letter.
    Bury,
    /// The application stops over it.
    Stop,
}

/// A record whose latest attempt failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) message: Message,
    error: HandlerError,
    history: History,
}

impl Failed {
    /// Its first attempt failed.
    pub(super) fn new(message: Message, error: HandlerError) -> Failed {
        let mut history = History::default();
        history.push(Timestamp::now(), &error);
        Failed {
            message,
            error,
            history,
        }
    }

    /// Another attempt failed.
    pub(super) fn failed_again(&mut self, error: HandlerError) {
        self.history.push(Timestamp::now(), &error);
        self.error = error;
    }

    pub(super) fn next(&self, context: &RouteContext) -> Next {
        let delay = match self.error.class() {
            ErrorClass::Terminal => return Next::Stop,
            ErrorClass::Retriable => context
                .retry
                .delay_after(self.history.attempts(), fastrand::f64()),
            _ => None,
        };
        match delay {
            Some(delay) => Next::Again(delay),
            None if context.dead_letters.is_some() => Next::Bury,
            None => Next::Stop,
        }
    }

    /// Says that it is tried again, and counts the attempt.
    pub(super) fn begin_again(&mut self, delay: Duration, context: &RouteContext) {
        self.log("handler_retry", Some(delay));
        context.progress.add_retry();
        self.message.attempt += 1;
    }

    /// Sees it to its end, for what is not tried again.
    pub(super) async fn settle(self, context: &RouteContext, stop: &StopFlag) -> Ended {
        match self.next(context) {
            Next::Bury => self.bury(context, stop).await,
            Next::Stop | Next::Again(_) => self.give_up(context),
        }
    }

    /// Stores the record's dead letter, however long that takes, unless told to stop.
    async fn bury(self, context: &RouteContext, stop: &StopFlag) -> Ended {
        let Some(dead_letters) = &context.dead_letters else {
            return self.give_up(context);
        };
        let message = &self.message;
        let letter = dead_letters.letter(message, &self.error, &self.history);
        for failed in 1.. {
            let refusal = match dead_letters.publish(&letter).await {
                Ok(()) => {
                    self.log("dead_letter", None);
                    return Ended::DeadLettered;
                }
                Err(refusal) => refusal,
            };
            tracing::warn!(
                event = "dead_letter_failed",
                topic = %message.topic,
                partition = message.partition,
                offset = message.offset,
                dead_letter_topic = dead_letters.topic(),
                error = %refusal,
            );
            let delay = DEAD_LETTER_RETRY.delay_after(failed, fastrand::f64());
            let Some(delay) = delay.filter(|_| refusal.class() == ErrorClass::Retriable) else {
                context.fail(AppError::DeadLetter {
                    topic: message.topic.clone(),
                    partition: message.partition,
                    offset: message.offset,
                    dead_letter_topic: dead_letters.topic().to_owned(),
                    source: Box::new(refusal),
                });
                return Ended::GivenBack;
            };
            if !sleep_unless_stopped(delay, stop).await {
                return Ended::GivenBack;
            }
        }
        Ended::GivenBack
    }

    /// Stops the application over this record.
    fn give_up(self, context: &RouteContext) -> Ended {
        context.fail(AppError::Terminal {
            topic: self.message.topic.clone(),
            partition: self.message.partition,
            offset: self.message.offset,
            error: self.error,
        });
        Ended::GivenBack
    }

    fn log(&self, event: &str, delay: Option<Duration>) {
        let (message, error) = (&self.message, &self.error);
        tracing::warn!(
            event,
            topic = %message.topic,
            partition = message.partition,
            offset = message.offset,
            attempt = message.attempt,
            stage = error.stage().name(),
            class = class_name(error.class()),
            code = error.code(),
            delay_ms = delay.map(|delay| delay.as_millis()),
            error = %error,
        );
    }
}

/// Whether the delay passed without a stop.
pub(super) async fn sleep_unless_stopped(delay: Duration, stop: &StopFlag) -> bool {
    tokio::select! {
        () = tokio::time::sleep(delay) => !stop.is_raised(),
        () = stop.raised() => false,
    }
}
