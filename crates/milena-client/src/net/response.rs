//! What a caller holds while a request is on its way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::connection::Closer;
use crate::error::Error;

/// The answer to a request, on its way: the response's body without its header.
#[must_use]
pub(crate) struct ResponseFuture {
    state: ResponseState,
    /// Keeps the connection open until the answer is there.
    _closer: Option<Arc<Closer>>,
}

/// Who is told of the answer to a request, or that there will be none.
pub(super) enum Waiter {
    /// A future.
    Channel(oneshot::Sender<Result<Bytes, Error>>),
    /// A function that does not wait.
    Call(Box<dyn FnOnce(Result<Bytes, Error>) + Send>),
}

impl Waiter {
    pub(super) fn tell(self, answer: Result<Bytes, Error>) {
        match self {
            // The caller may have stopped waiting.
            Self::Channel(sender) => drop(sender.send(answer)),
            Self::Call(call) => call(answer),
        }
    }
}

enum ResponseState {
    Refused(Option<Error>),
    Waiting(oneshot::Receiver<Result<Bytes, Error>>),
}

impl ResponseFuture {
    /// Resolves when `receiver` does; keeps the connection open until then.
    pub(super) fn waiting(
        receiver: oneshot::Receiver<Result<Bytes, Error>>,
        closer: Arc<Closer>,
    ) -> Self {
        Self {
            state: ResponseState::Waiting(receiver),
            _closer: Some(closer),
        }
    }

    /// Resolves to `error`: the request was not queued.
    pub(super) fn refused(error: Error) -> Self {
        Self {
            state: ResponseState::Refused(Some(error)),
            _closer: None,
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Bytes, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            ResponseState::Refused(error) => {
                Poll::Ready(Err(error.take().unwrap_or(Error::Closed)))
            }
            ResponseState::Waiting(receiver) => {
                Poll::Ready(ready!(Pin::new(receiver).poll(context)).unwrap_or(Err(Error::Closed)))
            }
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ResponseFuture")
            .finish_non_exhaustive()
    }
}
