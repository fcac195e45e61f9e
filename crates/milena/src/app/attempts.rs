//! One record, handled to its end: done, or given back.
//!
//! Owns the order of things when a handler fails: retry in place, dead letter, stop. Knows
//! no queue and no commit.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tower::Service;

use super::error::AppError;
use super::route::RouteContext;
use super::stop::StopFlag;
use crate::dead_letter::History;
use crate::failure::{ErrorClass, HandlerError, IntoHandlerError, class_name};
use crate::handler::HandlerResult;
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

/// Handles a record: calls the service, and on failure does what the route says.
pub(super) async fn handle_to_end<Svc>(
    service: &mut Svc,
    message: Message,
    context: &RouteContext,
    stop: &StopFlag,
) -> Ended
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    match call(service, message.clone()).await {
        Ok(()) => Ended::Handled,
        // On the heap: what follows a failure is large, and rare.
        Err(error) => Box::pin(recover(service, message, error, context, stop)).await,
    }
}

/// Calls the service; a panic is a failure with the panic's text.
async fn call<Svc>(service: &mut Svc, message: Message) -> HandlerResult
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    let attempt = AssertUnwindSafe(async {
        poll_fn(|context| service.poll_ready(context)).await?;
        service.call(message).await
    });
    match attempt.catch_unwind().await {
        Ok(result) => result.map_err(IntoHandlerError::into_handler_error),
        Err(payload) => Err(HandlerError::panicked(payload.as_ref())),
    }
}

async fn recover<Svc>(
    service: &mut Svc,
    mut message: Message,
    mut error: HandlerError,
    context: &RouteContext,
    stop: &StopFlag,
) -> Ended
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    let mut history = History::default();
    loop {
        history.push(Timestamp::now(), &error);
        let delay = match error.class() {
            ErrorClass::Terminal => return give_up(&message, error, context),
            ErrorClass::Retriable => context
                .retry
                .delay_after(history.attempts(), fastrand::f64()),
            _ => None,
        };
        let Some(delay) = delay else {
            return bury(&message, error, &history, context, stop).await;
        };
        log_failure("handler_retry", &message, &error, Some(delay));
        context.progress.add_retry();
        if !sleep_unless_stopped(delay, stop).await {
            return Ended::GivenBack;
        }
        message.attempt += 1;
        match call(service, message.clone()).await {
            Ok(()) => return Ended::Handled,
            Err(next) => error = next,
        }
    }
}

/// Stores the record's dead letter, however long that takes, unless told to stop.
async fn bury(
    message: &Message,
    error: HandlerError,
    history: &History,
    context: &RouteContext,
    stop: &StopFlag,
) -> Ended {
    let Some(dead_letters) = &context.dead_letters else {
        return give_up(message, error, context);
    };
    let letter = dead_letters.letter(message, &error, history);
    for failed in 1.. {
        let refusal = match dead_letters.publish(&letter).await {
            Ok(()) => {
                log_failure("dead_letter", message, &error, None);
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
fn give_up(message: &Message, error: HandlerError, context: &RouteContext) -> Ended {
    context.fail(AppError::Terminal {
        topic: message.topic.clone(),
        partition: message.partition,
        offset: message.offset,
        error,
    });
    Ended::GivenBack
}

/// Whether the delay passed without a stop.
async fn sleep_unless_stopped(delay: Duration, stop: &StopFlag) -> bool {
    tokio::select! {
        () = tokio::time::sleep(delay) => !stop.is_raised(),
        () = stop.raised() => false,
    }
}

fn log_failure(event: &str, message: &Message, error: &HandlerError, delay: Option<Duration>) {
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
