//! Jobs are async functions whose arguments are extractors, as handlers are.

use futures_util::FutureExt as _;
use futures_util::future::Map;

use super::tick::{FromTick, Tick};
use crate::handler::{HandlerResult, IntoHandlerResult};

/// An async function that runs by the clock.
///
/// Implemented for functions of up to four arguments, each [`State<T>`](crate::State) or
/// [`Tick`], that return `()` or a `Result<(), E>` whose error turns into a
/// [`HandlerError`](crate::HandlerError) (any standard error does).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no job for an application with the state `{S}`",
    label = "not a job",
    note = "a job is an `async fn` with at most four arguments, each `State<T>` or `Tick`, that returns `()` or `Result<(), HandlerError>`"
)]
pub trait JobFunction<Arguments, S>: Clone + Send + Sync + 'static {
    /// The run in progress.
    type Future: Future<Output = HandlerResult> + Send + 'static;

    /// Takes the arguments and calls the function.
    fn call(&self, tick: &Tick, state: &S) -> Self::Future;
}

macro_rules! impl_job_function {
    ($($argument:ident),*) => {
        impl<F, Fut, S, $($argument,)*> JobFunction<($($argument,)*), S> for F
        where
            F: Fn($($argument,)*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            Fut::Output: IntoHandlerResult,
            $($argument: FromTick<S>,)*
        {
            type Future = Map<Fut, fn(Fut::Output) -> HandlerResult>;

            fn call(&self, tick: &Tick, state: &S) -> Self::Future {
                // A function without arguments looks at neither.
                let _ = (tick, state);
                let into_result: fn(Fut::Output) -> HandlerResult =
                    IntoHandlerResult::into_handler_result;
                self($($argument::from_tick(tick, state),)*).map(into_result)
            }
        }
    };
}

impl_job_function!();
impl_job_function!(A1);
impl_job_function!(A1, A2);
impl_job_function!(A1, A2, A3);
impl_job_function!(A1, A2, A3, A4);
