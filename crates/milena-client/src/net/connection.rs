//! One TCP connection to a broker: a handle for many callers, who write what they queue, a task that
//! writes what the socket does not take at once, and a task that reads the answers. Dropping the last
//! handle ends both.

mod weak;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::frames::FrameReader;
use super::metrics::ConnectionMetrics;
pub(super) use super::pipeline::Turn;
use super::pipeline::{NewRequest, Pipeline, Refusal, Reply, Unanswered};
use super::response::{ResponseFuture, Waiter};
use super::versions::ApiVersions;
use super::writer::Writer;
use super::{reader, tls, writer};
use crate::error::Error;
use crate::wire::{ApiKey, Request, decode_response, encode_message};
pub(super) use weak::WeakConnection;

/// A handle to one connection. Clones share it; it closes when the last one is dropped.
#[derive(Clone)]
pub(crate) struct Connection {
    link: Arc<Link>,
    _closer: Arc<Closer>,
}

/// What a connection is allowed to do.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) idle_max: Duration,
    pub(super) frame_bytes_max: usize,
}

/// What handles and tasks of a connection share.
pub(super) struct Link {
    pub(super) address: Arc<str>,
    pub(super) limits: Limits,
    pub(super) metrics: ConnectionMetrics,
    client_id: Arc<str>,
    versions: OnceLock<ApiVersions>,
    state: Mutex<State>,
    /// Taken before `state` by whoever takes both.
    pub(super) writer: Mutex<Writer>,
    pub(super) writer_wake: Notify,
    pub(super) reader_wake: Notify,
    tasks: OnceLock<[AbortHandle; 2]>,
    /// Keeps the session alive, if it has an end.
    session_task: OnceLock<AbortHandle>,
    /// Something was asked for.
    used: Notify,
}

pub(super) struct State {
    pub(super) pipeline: Pipeline<Waiter>,
    /// When the reader will look at deadlines next.
    pub(super) armed_until: Instant,
    closed: Option<Closed>,
}

/// How a connection ended.
#[derive(Debug, Clone)]
struct Closed {
    error: Error,
    at: Instant,
}

/// Closes the connection when the last handle is gone.
pub(super) struct Closer {
    link: Arc<Link>,
}

impl Connection {
    /// Starts the tasks of a connection over `stream`'s halves. Versions are not known yet.
    pub(super) fn start<R, W>(
        address: Arc<str>,
        client_id: Arc<str>,
        limits: Limits,
        read: R,
        write: W,
    ) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let now = Instant::now();
        let frames = FrameReader::new(read, limits.frame_bytes_max);
        let state = State {
            pipeline: Pipeline::new(now),
            armed_until: now + limits.idle_max,
            closed: None,
        };
        let link = Arc::new(Link {
            metrics: ConnectionMetrics::new(Arc::clone(&address)),
            address,
            limits,
            client_id,
            versions: OnceLock::new(),
            state: Mutex::new(state),
            writer: Mutex::new(Writer::new(write)),
            writer_wake: Notify::new(),
            reader_wake: Notify::new(),
            tasks: OnceLock::new(),
            session_task: OnceLock::new(),
            used: Notify::new(),
        });
        let tasks = [
            tokio::spawn(reader::run(Arc::clone(&link), frames)).abort_handle(),
            tokio::spawn(writer::run(Arc::clone(&link))).abort_handle(),
        ];
        // A task that ended before this line has closed the link already; `close` is then a no-op and
        // the other task must be ended here.
        if link.tasks.set(tasks).is_ok() && link.lock().closed.is_some() {
            link.abort_tasks();
        }
        let closer = Arc::new(Closer {
            link: Arc::clone(&link),
        });
        Self {
            link,
            _closer: closer,
        }
    }

    /// Remembers what the handshake found out; later calls change nothing.
    pub(super) fn set_versions(&self, versions: ApiVersions) {
        let _ = self.link.versions.set(versions);
    }

    /// `host:port` of the broker.
    pub(crate) fn address(&self) -> &str {
        &self.link.address
    }

    /// The highest version of `api` that both sides know.
    pub(crate) fn version_of(&self, api: ApiKey) -> Option<i16> {
        let ours = api.valid_versions();
        self.version_within(api, ours.min, ours.max)
    }

    /// The highest version of `api` that the broker knows and that lies within `min` and `max`, which
    /// the caller can write and read.
    pub(crate) fn version_within(&self, api: ApiKey, min: i16, max: i16) -> Option<i16> {
        self.link.versions.get()?.highest_within(api, min, max)
    }

    /// The level of the feature `transaction.version` that the cluster had finalized when this
    /// connection was made; 0 when it has none.
    pub(crate) fn transaction_version(&self) -> i16 {
        let versions = self.link.versions.get();
        versions.map_or(0, ApiVersions::transaction_version)
    }

    /// Queues a request when called, not when awaited: call order is wire order. `body` is written
    /// after the header, piece by piece, without being copied.
    ///
    /// A request without an answer after `timeout` closes the connection, and with it all requests
    /// behind it: what arrives later could no longer be told apart.
    pub(crate) fn request(
        &self,
        api: ApiKey,
        version: i16,
        body: Vec<Bytes>,
        timeout: Duration,
    ) -> ResponseFuture {
        self.request_in(Turn::Queue, api, version, body, timeout)
    }

    /// As [`Connection::request`]; one that is [`Turn::Ahead`] is written even while others are held.
    pub(super) fn request_in(
        &self,
        turn: Turn,
        api: ApiKey,
        version: i16,
        body: Vec<Bytes>,
        timeout: Duration,
    ) -> ResponseFuture {
        let (waiter, receiver) = oneshot::channel();
        let waiter = Waiter::Channel(waiter);
        let kind = (Reply::Expected, turn);
        match self.enqueue(api, version, body, kind, waiter, timeout) {
            Ok(()) => ResponseFuture::waiting(receiver, Arc::clone(&self._closer)),
            Err((error, _waiter)) => ResponseFuture::refused(error),
        }
    }

    /// As [`Connection::request`]; in place of a future `answer` is called, once, wherever the answer is
    /// read or given up: it must not wait, and it does not keep the connection open.
    ///
    /// With [`Reply::None`] (produce with acks=0) it is called, with nothing, when the request is
    /// written; a request that cannot be written within `timeout` closes the connection.
    pub(crate) fn request_then(
        &self,
        api: ApiKey,
        version: i16,
        body: Vec<Bytes>,
        reply: Reply,
        timeout: Duration,
        answer: impl FnOnce(Result<Bytes, Error>) + Send + 'static,
    ) {
        let waiter = Waiter::Call(Box::new(answer));
        let kind = (reply, Turn::Queue);
        if let Err((error, waiter)) = self.enqueue(api, version, body, kind, waiter, timeout) {
            waiter.tell(Err(error));
        }
    }

    fn enqueue(
        &self,
        api: ApiKey,
        version: i16,
        body: Vec<Bytes>,
        (reply, turn): (Reply, Turn),
        waiter: Waiter,
        timeout: Duration,
    ) -> Result<(), (Error, Waiter)> {
        self.link.enqueue(NewRequest {
            api,
            version,
            client_id: &self.link.client_id,
            body,
            reply,
            turn,
            waiter,
            timeout,
        })
    }

    /// Sends a message in the highest common version and waits for its response.
    pub(crate) async fn call<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Response, Error> {
        let version = self.version_for::<R>()?;
        self.call_at(request, version, timeout).await
    }

    /// As [`Connection::call`], in a version of the caller's choice.
    pub(crate) async fn call_at<R: Request>(
        &self,
        request: &R,
        version: i16,
        timeout: Duration,
    ) -> Result<R::Response, Error> {
        let api = api_key::<R>()?;
        let body = encode_message(version, request).map_err(|e| Error::protocol(e.to_string()))?;
        let mut response = self.request(api, version, vec![body], timeout).await?;
        decode_response(version, &mut response)
            .map_err(|error| Error::protocol(format!("from {}: {error}", self.address())))
    }

    /// The highest version of `R` that both sides know.
    fn version_for<R: Request>(&self) -> Result<i16, Error> {
        let api = api_key::<R>()?;
        self.version_within(api, R::VERSIONS.min, R::VERSIONS.max)
            .ok_or_else(|| self.unsupported(&format!("{api:?}")))
    }

    /// The broker has no usable version of `api`.
    pub(crate) fn unsupported(&self, api: &str) -> Error {
        Error::Unsupported {
            address: self.address().to_owned(),
            api: api.to_owned(),
        }
    }

    /// Whether requests can no longer be sent.
    pub(crate) fn is_closed(&self) -> bool {
        self.link.lock().closed.is_some()
    }

    /// When the connection closed, if it did.
    pub(super) fn closed_at(&self) -> Option<Instant> {
        self.link.lock().closed.as_ref().map(|closed| closed.at)
    }

    /// How many requests are queued or unanswered.
    pub(super) fn load(&self) -> usize {
        self.link.lock().pipeline.load()
    }

    /// Fails all requests with `error` and ends the connection.
    pub(super) fn close(&self, error: Error) {
        self.link.close(error, None);
    }

    /// Ends `task`, the first one given, when the connection ends.
    pub(super) fn attend(&self, task: AbortHandle) {
        if self.link.session_task.set(task).is_ok() && self.is_closed() {
            self.link.abort_tasks();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("address", &self.link.address)
            .finish()
    }
}

impl Link {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, request: NewRequest<'_, Waiter>) -> Result<(), (Error, Waiter)> {
        let (api, bytes) = (request.api, request.body.iter().map(Bytes::len).sum());
        let rearm = {
            let mut state = self.lock();
            if let Some(closed) = &state.closed {
                return Err((closed.error.clone(), request.waiter));
            }
            let deadline = state
                .pipeline
                .enqueue(request, Instant::now())
                .map_err(|(refusal, waiter)| (self.refuse(refusal), waiter))?;
            deadline < state.armed_until
        };
        self.metrics.requested(api, bytes);
        writer::write_now(self);
        self.used.notify_one();
        if rearm {
            self.reader_wake.notify_one();
        }
        Ok(())
    }

    fn refuse(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::Full => Error::Overloaded {
                address: self.address.to_string(),
            },
            Refusal::TooLarge => Error::protocol("request is larger than a frame can be"),
        }
    }

    /// Hands the next requests to the writer, who has written all it was handed before; those of
    /// them that are thereby done are added to `done`.
    pub(super) fn take_writable(
        &self,
        chunks: &mut VecDeque<Bytes>,
        chunks_max: usize,
        done: &mut Vec<Unanswered<Waiter>>,
    ) {
        let mut state = self.lock();
        done.extend(state.pipeline.written(Instant::now()));
        state.pipeline.take_writable(chunks, chunks_max);
    }

    /// The connection ended: the request at `guilty` fails with `error`, all others as disconnected
    /// because of it. Only the first call counts.
    pub(super) fn close(&self, error: Error, guilty: Option<usize>) {
        let consequence = match &error {
            Error::Closed | Error::Disconnected { .. } => error.clone(),
            cause => self.disconnected(cause.to_string()),
        };
        let unanswered = {
            let mut state = self.lock();
            if state.closed.is_some() {
                return;
            }
            state.closed = Some(Closed {
                error: consequence.clone(),
                at: Instant::now(),
            });
            state.pipeline.abandon()
        };
        tracing::debug!(event = "connection_closed", address = %self.address, reason = %error);
        for (position, request) in unanswered.into_iter().enumerate() {
            let own = if guilty == Some(position) {
                &error
            } else {
                &consequence
            };
            request.waiter.tell(Err(own.clone()));
        }
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.close();
        drop(writer);
        self.abort_tasks();
    }

    /// What ends the connection when a read or write failed, and the request whose fault it is: the
    /// first one's if the TLS layer refused or was refused, as another connection would be, too.
    pub(super) fn broken(&self, what: &str, error: &io::Error) -> (Error, Option<usize>) {
        match tls::reason(error) {
            Some(reason) => {
                let address = self.address.to_string();
                (Error::Tls { address, reason }, Some(0))
            }
            None => (self.disconnected(format!("{what} failed: {error}")), None),
        }
    }

    pub(super) fn disconnected(&self, reason: impl Into<String>) -> Error {
        Error::Disconnected {
            address: self.address.to_string(),
            reason: reason.into(),
        }
    }

    fn abort_tasks(&self) {
        let tasks = self.tasks.get().into_iter().flatten();
        for task in tasks.chain(self.session_task.get()) {
            task.abort();
        }
    }
}

fn api_key<R: Request>() -> Result<ApiKey, Error> {
    ApiKey::try_from(R::KEY).map_err(|()| Error::protocol(format!("unknown api key {}", R::KEY)))
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.link.close(Error::Closed, None);
    }
}

#[cfg(test)]
mod tests;
