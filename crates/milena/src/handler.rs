//! Handlers: async functions whose arguments are extractors.
//!
//! Owns the trait, its implementations for functions of up to eight arguments, and the
//! tower service they become, so that layers can wrap them. No allocation: the future of
//! a call is the function's own. Knows no consumer.

use std::future::{Future, Ready, ready};
use std::marker::PhantomData;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::{Either, Map};
use tower::Service;

use crate::extract::FromMessage;
use crate::failure::HandlerError;
use crate::message::Message;

/// How a handled message ended.
pub type HandlerResult = Result<(), HandlerError>;

/// An async function that handles messages.
///
/// Implemented for functions of up to eight arguments that are
/// [extractors](crate::extract::FromMessage) and return `()` or a `Result<(), E>` whose
/// error turns into a [`HandlerError`] (any standard error does).
///
/// What is none does not compile, and the compiler says what a handler is:
///
/// ```compile_fail,E0277
/// use milena::{App, Config, handler};
///
/// async fn on_order(id: u32) {} // no extractor; `Json(id): Json<u32>` is one
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", handler(on_order));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler for an application with the state `{S}`",
    label = "not a handler",
    note = "a handler is an `async fn` with at most eight arguments, all extractors (`Json<T>`, `Bytes`, `Key`, `Headers`, `Meta`, `State<T>`, `Message`), that returns `()` or `Result<(), HandlerError>`"
)]
pub trait Handler<Arguments, S>: Clone + Send + Sync + 'static {
    /// The call in progress.
    type Future: Future<Output = HandlerResult> + Send;

    /// Reads the arguments from the message and calls the function.
    fn call(&self, message: &Message, state: &S) -> Self::Future;
}

/// What a handler may return.
///
/// Nothing else compiles:
///
/// ```compile_fail,E0277
/// use milena::{App, Bytes, Config, handler};
///
/// async fn on_order(value: Bytes) -> usize {
///     value.len()
/// }
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", handler(on_order));
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler may not return `{Self}`",
    note = "return `()`, `Result<(), HandlerError>`, or a `Result<(), E>` with a standard error `E`"
)]
pub trait IntoHandlerResult {
    /// As the application sees it.
    ///
    /// # Errors
    /// Whatever the handler failed with.
    fn into_handler_result(self) -> HandlerResult;
}

impl IntoHandlerResult for () {
    fn into_handler_result(self) -> HandlerResult {
        Ok(())
    }
}

impl<E: Into<HandlerError>> IntoHandlerResult for Result<(), E> {
    fn into_handler_result(self) -> HandlerResult {
        self.map_err(Into::into)
    }
}

/// The future of a handler: an argument could not be read, or the function runs.
pub type HandlerFuture<F> =
    Either<Ready<HandlerResult>, Map<F, fn(<F as Future>::Output) -> HandlerResult>>;

macro_rules! impl_handler {
    ($($argument:ident),*) => {
        impl<F, Fut, S, $($argument,)*> Handler<($($argument,)*), S> for F
        where
            F: Fn($($argument,)*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future + Send,
            Fut::Output: IntoHandlerResult,
            $($argument: FromMessage<S>,)*
        {
            type Future = HandlerFuture<Fut>;

            #[allow(non_snake_case, unused_variables)]
            fn call(&self, message: &Message, state: &S) -> HandlerFuture<Fut> {
                $(
                    let $argument = match $argument::from_message(message, state) {
                        Ok(argument) => argument,
                        Err(rejection) => return Either::Left(ready(Err(rejection.into()))),
                    };
                )*
                let into_result: fn(Fut::Output) -> HandlerResult =
                    IntoHandlerResult::into_handler_result;
                Either::Right(self($($argument,)*).map(into_result))
            }
        }
    };
}

impl_handler!();
impl_handler!(A1);
impl_handler!(A1, A2);
impl_handler!(A1, A2, A3);
impl_handler!(A1, A2, A3, A4);
impl_handler!(A1, A2, A3, A4, A5);
impl_handler!(A1, A2, A3, A4, A5, A6);
impl_handler!(A1, A2, A3, A4, A5, A6, A7);
impl_handler!(A1, A2, A3, A4, A5, A6, A7, A8);

/// A handler with the application's state, as a tower service of messages.
pub struct HandlerService<H, Arguments, S> {
    handler: H,
    state: S,
    arguments: PhantomData<fn() -> Arguments>,
}

impl<H, Arguments, S> HandlerService<H, Arguments, S> {
    /// Joins a handler and the state it takes its arguments from.
    pub fn new(handler: H, state: S) -> HandlerService<H, Arguments, S> {
        HandlerService {
            handler,
            state,
            arguments: PhantomData,
        }
    }
}

impl<H: Clone, Arguments, S: Clone> Clone for HandlerService<H, Arguments, S> {
    fn clone(&self) -> HandlerService<H, Arguments, S> {
        HandlerService::new(self.handler.clone(), self.state.clone())
    }
}

impl<H: Handler<Arguments, S>, Arguments, S> Service<Message> for HandlerService<H, Arguments, S> {
    type Response = ();
    type Error = HandlerError;
    type Future = H::Future;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<HandlerResult> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, message: Message) -> H::Future {
        self.handler.call(&message, &self.state)
    }
}

#[cfg(test)]
mod tests;
