//! Batch handlers: async functions that take many records at once.
//!
//! Owns the trait, its implementations for functions of a batch and up to three more
//! arguments, what they may return, which records that says failed, and the layers around it. Knows
//! no consumer and no retries.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::Service;

use crate::extract::{Batch, FromBatch, FromMessage};
use crate::failure::{HandlerError, IntoHandlerError};
use crate::message::Message;

/// An async function that handles batches of messages.
///
/// Implemented for functions whose first argument is a [`Batch<T>`](crate::Batch), with up
/// to three [`State`](crate::State) arguments after it, and that return what
/// [`IntoBatchResult`] lists.
///
/// What is none does not compile, and the compiler says what a batch handler is:
///
/// ```compile_fail,E0277
/// use milena::{App, Bytes, Config, batch_handler};
///
/// async fn on_orders(_: Vec<Bytes>) {} // `Batch<Bytes>`
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", batch_handler(on_orders));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no batch handler for an application with the state `{S}`",
    label = "not a batch handler",
    note = "a batch handler is an `async fn` whose first argument is `Batch<T>` (with an extractor `T`, such as `Json<Order>`), followed by at most three `State<T>`, that returns `()`, `Result<(), HandlerError>`, `BatchOutcome`, `Result<BatchOutcome, HandlerError>` or `Vec<Result<(), HandlerError>>`"
)]
pub trait BatchHandler<Arguments, S>: Clone + Send + Sync + 'static {
    /// Reads the arguments from the messages and calls the function.
    fn call(&self, messages: &[Message], state: &S) -> BoxFuture<'static, BatchFailures>;
}

/// The records of a batch that failed, by their place in it, and why; ascending.
pub type BatchFailures = Vec<(usize, HandlerError)>;

/// Which records of a batch failed; the others succeeded.
///
/// ```
/// use milena::{Batch, BatchOutcome, HandlerError, Json};
///
/// async fn on_orders(Batch(orders): Batch<Json<u32>>) -> BatchOutcome {
///     let mut outcome = BatchOutcome::default();
///     for (index, Json(order)) in orders.into_iter().enumerate() {
///         if order == 0 {
///             outcome.fail(index, HandlerError::non_retriable("no order has the number 0"));
///         }
///     }
///     outcome
/// }
/// # let _ = milena::batch_handler::<_, (Batch<Json<u32>>,)>(on_orders);
/// ```
#[derive(Debug, Default)]
#[must_use = "failures count only when the handler returns them"]
pub struct BatchOutcome {
    failures: BatchFailures,
}

impl BatchOutcome {
    /// The record at `index` of the batch failed. Of two failures of one record the first
    /// counts. An index beyond the batch is a terminal failure of the whole batch.
    pub fn fail(&mut self, index: usize, error: impl Into<HandlerError>) {
        self.failures.push((index, error.into()));
    }

    /// How many failures were told.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.failures.len()
    }
}

/// What a batch handler returned, as the application sees it.
#[derive(Debug)]
pub enum BatchResult {
    /// Each record for itself.
    Each(BatchOutcome),
    /// One result for each record, in order.
    Listed(Vec<Result<(), HandlerError>>),
    /// The whole batch failed.
    Failed(HandlerError),
}

/// What a batch handler may return.
///
/// Nothing else compiles:
///
/// ```compile_fail,E0277
/// use milena::{App, Batch, Bytes, Config, batch_handler};
///
/// async fn on_orders(Batch(orders): Batch<Bytes>) -> usize {
///     orders.len()
/// }
///
/// # let app = App::new(Config::builder().build().unwrap());
/// app.topic("orders", batch_handler(on_orders));
/// ```
#[diagnostic::on_unimplemented(
    message = "a batch handler may not return `{Self}`",
    note = "return `()`, `Result<(), E>` (the whole batch), `BatchOutcome` or `Result<BatchOutcome, E>` (which records failed), or `Vec<Result<(), E>>` (one for each record), with `HandlerError` or a standard error as `E`"
)]
pub trait IntoBatchResult {
    /// As the application sees it.
    fn into_batch_result(self) -> BatchResult;
}

impl IntoBatchResult for () {
    fn into_batch_result(self) -> BatchResult {
        BatchResult::Each(BatchOutcome::default())
    }
}

impl IntoBatchResult for BatchOutcome {
    fn into_batch_result(self) -> BatchResult {
        BatchResult::Each(self)
    }
}

impl<E: Into<HandlerError>> IntoBatchResult for Result<(), E> {
    fn into_batch_result(self) -> BatchResult {
        self.map(|()| BatchOutcome::default()).into_batch_result()
    }
}

impl<E: Into<HandlerError>> IntoBatchResult for Result<BatchOutcome, E> {
    fn into_batch_result(self) -> BatchResult {
        match self {
            Ok(outcome) => BatchResult::Each(outcome),
            Err(error) => BatchResult::Failed(error.into()),
        }
    }
}

impl<E: Into<HandlerError>> IntoBatchResult for Vec<Result<(), E>> {
    fn into_batch_result(self) -> BatchResult {
        let each = self.into_iter().map(|result| result.map_err(Into::into));
        BatchResult::Listed(each.collect())
    }
}

macro_rules! impl_batch_handler {
    ($($argument:ident),*) => {
        impl<F, Fut, S, T, $($argument,)*> BatchHandler<(Batch<T>, $($argument,)*), S> for F
        where
            F: Fn(Batch<T>, $($argument),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output: IntoBatchResult> + Send + 'static,
            T: FromMessage<S>,
            $($argument: FromBatch<S>,)*
        {
            #[allow(non_snake_case, unused_variables)]
            fn call(&self, messages: &[Message], state: &S) -> BoxFuture<'static, BatchFailures> {
                let (batch, read) = Read::new(messages, state);
                if batch.0.is_empty() {
                    return Box::pin(std::future::ready(read.failures));
                }
                $(let $argument = $argument::from_batch(state);)*
                let handling = self(batch, $($argument),*);
                Box::pin(async move { read.judge(handling.await.into_batch_result()) })
            }
        }
    };
}

impl_batch_handler!();
impl_batch_handler!(A1);
impl_batch_handler!(A1, A2);
impl_batch_handler!(A1, A2, A3);

/// Which messages could be read, and why the others could not.
struct Read {
    /// Of what is in the batch, the places of its messages.
    places: Vec<usize>,
    failures: BatchFailures,
}

impl Read {
    fn new<S, T: FromMessage<S>>(messages: &[Message], state: &S) -> (Batch<T>, Read) {
        let mut batch = Batch(Vec::with_capacity(messages.len()));
        let mut read = Read {
            places: Vec::with_capacity(messages.len()),
            failures: Vec::new(),
        };
        for (place, message) in messages.iter().enumerate() {
            match T::from_message(message, state) {
                Ok(item) => {
                    batch.0.push(item);
                    read.places.push(place);
                }
                Err(rejection) => read.failures.push((place, rejection.into())),
            }
        }
        (batch, read)
    }

    /// Adds what the handler said.
    fn judge(mut self, result: BatchResult) -> BatchFailures {
        let failures = match result {
            BatchResult::Each(outcome) => outcome.failures,
            BatchResult::Listed(results) if results.len() == self.places.len() => {
                let failures = results.into_iter().enumerate();
                failures
                    .filter_map(|(index, result)| Some((index, result.err()?)))
                    .collect()
            }
            BatchResult::Listed(results) => {
                return self.fail_all(|count| {
                    HandlerError::terminal(format_args!(
                        "the batch handler returned {} results for {count} records",
                        results.len()
                    ))
                });
            }
            BatchResult::Failed(error) => return self.fail_all(|_| error.clone()),
        };
        for (index, error) in failures {
            let Some(place) = self.places.get(index) else {
                return self.fail_all(|count| {
                    HandlerError::terminal(format_args!(
                        "the batch handler failed record {index} of {count}; they count from 0"
                    ))
                });
            };
            self.failures.push((*place, error));
        }
        // Stable: of two failures of one record the first is kept.
        self.failures.sort_by_key(|(place, _)| *place);
        self.failures.dedup_by_key(|(place, _)| *place);
        self.failures
    }

    /// All that was in the batch failed.
    fn fail_all(mut self, error: impl Fn(usize) -> HandlerError) -> BatchFailures {
        let places = std::mem::take(&mut self.places);
        let count = places.len();
        self.failures.retain(|(place, _)| !places.contains(place));
        self.failures
            .extend(places.into_iter().map(|place| (place, error(count))));
        self.failures.sort_by_key(|(place, _)| *place);
        self.failures
    }
}

/// A batch handler with the application's state, its type erased.
pub(crate) trait CallBatch: Send + Sync {
    /// Starts handling the messages.
    fn call(&self, messages: &[Message]) -> BoxFuture<'static, BatchFailures>;
}

/// A batch handler with the application's state, as a tower service of batches of messages. Its
/// response says which of them failed.
pub struct BatchService<H, Arguments, S> {
    handler: H,
    state: S,
    arguments: PhantomData<fn() -> Arguments>,
}

impl<H, Arguments, S> BatchService<H, Arguments, S> {
    /// Joins a batch handler and the state it takes its arguments from.
    pub fn new(handler: H, state: S) -> BatchService<H, Arguments, S> {
        BatchService {
            handler,
            state,
            arguments: PhantomData,
        }
    }
}

impl<H, Arguments, S> CallBatch for BatchService<H, Arguments, S>
where
    H: BatchHandler<Arguments, S>,
    S: Send + Sync,
{
    fn call(&self, messages: &[Message]) -> BoxFuture<'static, BatchFailures> {
        self.handler.call(messages, &self.state)
    }
}

impl<H: Clone, Arguments, S: Clone> Clone for BatchService<H, Arguments, S> {
    fn clone(&self) -> BatchService<H, Arguments, S> {
        BatchService::new(self.handler.clone(), self.state.clone())
    }
}

impl<H, Arguments, S> Service<Vec<Message>> for BatchService<H, Arguments, S>
where
    H: BatchHandler<Arguments, S>,
{
    type Response = BatchFailures;
    type Error = HandlerError;
    type Future = BoxFuture<'static, Result<BatchFailures, HandlerError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), HandlerError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, messages: Vec<Message>) -> Self::Future {
        let handling = self.handler.call(&messages, &self.state);
        Box::pin(async { Ok(handling.await) })
    }
}

/// A batch handler with layers around it.
pub(crate) struct Layered<Svc>(pub(crate) Svc);

impl<Svc> CallBatch for Layered<Svc>
where
    Svc: Service<Vec<Message>, Response = BatchFailures, Error: IntoHandlerError, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    fn call(&self, messages: &[Message]) -> BoxFuture<'static, BatchFailures> {
        let (mut service, messages) = (self.0.clone(), messages.to_vec());
        let count = messages.len();
        let all =
            move |error: HandlerError| (0..count).map(|place| (place, error.clone())).collect();
        Box::pin(async move {
            let handling = async {
                poll_fn(|context| service.poll_ready(context)).await?;
                service.call(messages).await
            };
            match handling.await {
                Ok(failures) => match failures.iter().find(|(place, _)| *place >= count) {
                    None => failures,
                    Some((place, _)) => all(HandlerError::terminal(format_args!(
                        "a layer failed record {place} of {count}; they count from 0"
                    ))),
                },
                Err(error) => all(error.into_handler_error()),
            }
        })
    }
}

#[cfg(test)]
mod tests;
