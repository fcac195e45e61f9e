//! One TCP connection to a broker.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::error::Error;
use crate::wire::{ApiKey, Request};

/// A handle to one connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection;

/// The answer to a request, on its way.
#[derive(Debug)]
#[must_use]
pub(crate) struct ResponseFuture;

impl Future for ResponseFuture {
    type Output = Result<Bytes, Error>;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Err(Error::Closed))
    }
}

impl Connection {
    /// The highest version of `api` that both sides know.
    pub(crate) fn version_of(&self, api: ApiKey) -> Option<i16> {
        let _ = api;
        None
    }

    /// As [`Connection::version_of`], but within what the caller can write and read.
    pub(crate) fn version_within(&self, api: ApiKey, min: i16, max: i16) -> Option<i16> {
        let _ = (api, min, max);
        None
    }

    /// Queues a request when called, not when awaited: call order is wire order. `chunks` is its body,
    /// written as they are.
    pub(crate) fn request(
        &self,
        api: ApiKey,
        version: i16,
        chunks: Vec<Bytes>,
        timeout: Duration,
    ) -> ResponseFuture {
        let _ = (api, version, chunks, timeout);
        ResponseFuture
    }

    /// Queues a request that gets no answer (produce with acks=0).
    pub(crate) fn send_no_response(
        &self,
        api: ApiKey,
        version: i16,
        chunks: Vec<Bytes>,
    ) -> Result<(), Error> {
        let _ = (api, version, chunks);
        Err(Error::Closed)
    }

    /// Sends a message in the highest common version and waits for its response.
    pub(crate) async fn call<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Response, Error> {
        let _ = (request, timeout);
        Err(Error::Closed)
    }

    /// As [`Connection::call`], in a version of the caller's choice.
    pub(crate) async fn call_at<R: Request>(
        &self,
        request: &R,
        version: i16,
        timeout: Duration,
    ) -> Result<R::Response, Error> {
        let _ = (request, version, timeout);
        Err(Error::Closed)
    }

    /// Whether requests can no longer be sent.
    pub(crate) fn is_closed(&self) -> bool {
        true
    }
}
