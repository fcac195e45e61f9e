//! One record, handled to its end: done, or given back.
//!
//! Owns calling the handler, the first time and again. What a failure leads to is
//! `failed`'s. Knows no queue and no commit.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tower::Service;

use super::failed::{Ended, Failed, Settled, sleep_unless_stopped};
use super::gate::Sign;
use super::route::RouteContext;
use super::stop::StopFlag;
use crate::dead_letter::History;
use crate::failure::{HandlerError, IntoHandlerError};
use crate::handler::HandlerResult;
use crate::message::Message;
use crate::telemetry;

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
    let kept = context.hooks.keep(&message);
    let ended = match context.handling.follow(&message) {
        None => try_to_end(service, message, context, stop).await,
        // On the heap: nobody else should pay for what only the followed need.
        Some(followed) => {
            let handling = try_to_end(service, message, context, stop);
            Box::pin(followed.through(handling, |ended| ended.name())).await
        }
    };
    context.hooks.ended(kept, ended);
    ended
}

async fn try_to_end<Svc>(
    service: &mut Svc,
    message: Message,
    context: &RouteContext,
    stop: &StopFlag,
) -> Ended
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    // Asked first: to await even an open gate costs every record.
    if context.is_paused() && !pass(context, stop).await {
        return Ended::GivenBack;
    }
    let called = call(service, message.clone(), context).await;
    note(context, &called);
    match called {
        Ok(()) => Ended::Handled,
        // On the heap: what follows a failure is large, and rare.
        Err(error) => {
            context.hooks.failed(&message, &error);
            let failed = Failed::new(message, error);
            Box::pin(recover(service, failed, context, stop)).await
        }
    }
}

/// Calls the service, within a span if somebody wants one.
async fn call<Svc>(service: &mut Svc, message: Message, context: &RouteContext) -> HandlerResult
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    match telemetry::attempt(&context.handling, &message) {
        None => call_service(service, message).await,
        // On the heap: nobody else should pay for what only those with a span need.
        Some(span) => Box::pin(telemetry::within(span, call_service(service, message))).await,
    }
}

/// A panic is a failure with the panic's text.
async fn call_service<Svc>(service: &mut Svc, message: Message) -> HandlerResult
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

/// Waits until the handler may be called; false on a stop.
pub(super) async fn pass(context: &RouteContext, stop: &StopFlag) -> bool {
    match &context.gate {
        Some(gate) if !gate.is_open() => gate.pass(stop).await,
        _ => true,
    }
}

fn note(context: &RouteContext, called: &HandlerResult) {
    if called.is_err() {
        context.progress.add_failures(1);
    }
    if let Some(gate) = &context.gate {
        gate.note(called.as_ref().map_or_else(Sign::of, |()| Sign::Up));
    }
}

/// As [`handle_to_end`], for a record that comes back from the retry topic.
pub(super) async fn handle_again(
    handler: &mut dyn Attempt,
    message: Message,
    history: History,
    context: &RouteContext,
    stop: &StopFlag,
) -> Ended {
    let kept = context.hooks.keep(&message);
    let ended = match attempt(handler, message.clone(), context, stop).await {
        None => Ended::GivenBack,
        Some(Ok(())) => Ended::Handled,
        Some(Err(error)) => {
            context.hooks.failed(&message, &error);
            let failed = Failed::resumed(message, error, history);
            recover(handler, failed, context, stop).await
        }
    };
    context.hooks.ended(kept, ended);
    ended
}

/// One attempt, when the handler may be called; `None` on a stop.
async fn attempt(
    handler: &mut dyn Attempt,
    message: Message,
    context: &RouteContext,
    stop: &StopFlag,
) -> Option<HandlerResult> {
    if !pass(context, stop).await {
        return None;
    }
    let called = handler.attempt(message, context).await;
    note(context, &called);
    Some(called)
}

/// Whatever calls a handler with one record.
pub(super) trait Attempt: Send {
    fn attempt<'a>(
        &'a mut self,
        message: Message,
        context: &'a RouteContext,
    ) -> BoxFuture<'a, HandlerResult>;
}

impl<Svc> Attempt for Svc
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    fn attempt<'a>(
        &'a mut self,
        message: Message,
        context: &'a RouteContext,
    ) -> BoxFuture<'a, HandlerResult> {
        Box::pin(call(self, message, context))
    }
}

/// Tries again as often as the route says, then settles what failed.
async fn recover(
    handler: &mut dyn Attempt,
    mut failed: Failed,
    context: &RouteContext,
    stop: &StopFlag,
) -> Ended {
    loop {
        let next = failed.next(context);
        let delay = match failed.settle(next, context, stop).await {
            Settled::Ended(ended) => return ended,
            Settled::InPlace(in_place, delay) => {
                failed = *in_place;
                delay
            }
        };
        failed.begin_again(delay, context);
        if !sleep_unless_stopped(delay, stop).await {
            return Ended::GivenBack;
        }
        match attempt(handler, failed.message.clone(), context, stop).await {
            None => return Ended::GivenBack,
            Some(Ok(())) => return Ended::Handled,
            Some(Err(error)) => {
                context.hooks.failed(&failed.message, &error);
                failed.failed_again(error);
            }
        }
    }
}
