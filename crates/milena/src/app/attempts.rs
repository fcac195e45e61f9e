//! One record, handled to its end: done, or given back.
//!
//! Owns calling the handler, the first time and again. What a failure leads to is
//! `failed`'s. Knows no queue and no commit.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tower::Service;

use super::failed::{Ended, Failed, Next, Settled, sleep_unless_stopped};
use super::route::RouteContext;
use super::stop::StopFlag;
use crate::dead_letter::History;
use crate::failure::{HandlerError, IntoHandlerError};
use crate::handler::HandlerResult;
use crate::message::Message;

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
        Err(error) => {
            let failed = Failed::new(message, error);
            Box::pin(recover(service, failed, context, stop)).await
        }
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

/// As [`handle_to_end`], for a record that comes back from the retry topic.
pub(super) async fn handle_again<Svc>(
    mut service: Svc,
    message: Message,
    history: History,
    context: &RouteContext,
    stop: &StopFlag,
) -> Ended
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    match call(&mut service, message.clone()).await {
        Ok(()) => Ended::Handled,
        Err(error) => {
            let failed = Failed::resumed(message, error, history);
            recover(&mut service, failed, context, stop).await
        }
    }
}

/// Whatever calls a handler with one record.
pub(super) trait Attempt: Send {
    fn attempt(&mut self, message: Message) -> BoxFuture<'_, HandlerResult>;
}

impl<Svc> Attempt for Svc
where
    Svc: Service<Message, Response = (), Error: IntoHandlerError, Future: Send> + Send,
{
    fn attempt(&mut self, message: Message) -> BoxFuture<'_, HandlerResult> {
        Box::pin(call(self, message))
    }
}

/// Tries again as often as the route says, then settles what failed.
pub(super) async fn recover(
    handler: &mut dyn Attempt,
    mut failed: Failed,
    context: &RouteContext,
    stop: &StopFlag,
) -> Ended {
    loop {
        let Next::Again(delay) = failed.next(context) else {
            match failed.settle(context, stop).await {
                Settled::Ended(ended) => return ended,
                Settled::InPlace(in_place) => failed = *in_place,
            }
            continue;
        };
        failed.begin_again(delay, context);
        if !sleep_unless_stopped(delay, stop).await {
            return Ended::GivenBack;
        }
        match handler.attempt(failed.message.clone()).await {
            Ok(()) => return Ended::Handled,
            Err(error) => failed.failed_again(error),
        }
    }
}
