//! One client connection: frames in, responses out in the order of the requests.
//!
//! Requests are handled in order as they arrive; one that has to wait (a long
//! poll, a group join) does not keep later ones from being handled, but their
//! responses wait behind it, because Kafka's protocol is ordered per connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use milena_wire::frame::split_frame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::authentication::Authentication;
use super::dispatch::dispatch;
use super::listener::stopped;
use super::reply::{LaterFrame, Reply, ResponseFrame};
use crate::clock;
use crate::limits;
use crate::node::Node;

/// Slices handed to the operating system in one vectored write.
const WRITE_SLICES_MAX: usize = 64;

/// Serves one connection until either side closes it.
pub(crate) struct Connection<S> {
    node: Arc<Node>,
    stream: S,
    ends: Ends,
    authentication: Authentication,
    read_buffer: BytesMut,
    replies: VecDeque<PendingReply>,
    /// When something last came in or became ready to go out.
    active: Instant,
    /// Until when nothing is read: the client used more than its quota allows.
    muted_until: Option<Instant>,
    /// Set once nothing more is read: a fault or a broken frame.
    closing: bool,
}

/// Where a connection goes from and to.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// The name of the listener.
    pub(crate) listener: Arc<str>,
}

enum PendingReply {
    Ready(ResponseFrame),
    Later(LaterFrame),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(
        node: Arc<Node>,
        stream: S,
        ends: Ends,
        authentication: Authentication,
    ) -> Self {
        Connection {
            node,
            stream,
            ends,
            authentication,
            read_buffer: BytesMut::with_capacity(limits::READ_BUFFER_BYTES),
            replies: VecDeque::new(),
            active: clock::now(),
            muted_until: None,
            closing: false,
        }
    }

    /// Runs until the client hangs up, breaks the protocol, or the broker stops.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        if let Err(error) = self.serve(&mut stop).await {
            tracing::debug!(event = "connection_lost", peer = %self.ends.peer, error = %error);
        }
    }

    async fn serve(&mut self, stop: &mut watch::Receiver<bool>) -> io::Result<()> {
        loop {
            self.handle_frames();
            self.write_ready().await?;
            if self.closing && self.replies.is_empty() {
                return self.stream.shutdown().await;
            }
            if self.has_room() && !self.is_muted() && self.next_frame_is_complete() {
                continue;
            }
            let may_read = !self.closing && !self.is_muted() && self.has_room();
            let muted_until = self.muted_until;
            let idle_until = self.active + self.node.config.connection_idle_max;
            let is_idle = self.replies.is_empty();
            let front = match self.replies.front_mut() {
                Some(PendingReply::Later(frame)) => Some(frame),
                _ => None,
            };
            tokio::select! {
                read = self.stream.read_buf(&mut self.read_buffer), if may_read => {
                    self.active = clock::now();
                    if read? == 0 {
                        // Nobody is there to read what is still pending.
                        return Ok(());
                    }
                }
                frame = poll_front(front) => {
                    self.active = clock::now();
                    self.replies[0] = PendingReply::Ready(frame);
                }
                () = sleep_until(muted_until) => self.muted_until = None,
                () = tokio::time::sleep_until(idle_until), if is_idle => {
                    tracing::debug!(event = "connection_idle", peer = %self.ends.peer);
                    return self.stream.shutdown().await;
                }
                () = stopped(stop) => {
                    return self.stream.shutdown().await;
                }
            }
        }
    }

    fn is_muted(&self) -> bool {
        self.muted_until.is_some()
    }

    fn has_room(&self) -> bool {
        self.replies.len() < limits::REQUESTS_IN_FLIGHT_MAX
    }

    /// Whether a whole frame waits in the buffer; it was left there for want of room.
    fn next_frame_is_complete(&self) -> bool {
        let Some(prefix) = self.read_buffer.first_chunk::<4>() else {
            return false;
        };
        let length = usize::try_from(i32::from_be_bytes(*prefix)).unwrap_or(0);
        !self.closing && self.read_buffer.len() - 4 >= length
    }

    /// Handles every complete frame in the read buffer, as far as there is room.
    fn handle_frames(&mut self) {
        while !self.closing && !self.is_muted() && self.has_room() {
            let mut frame_bytes_max = self.node.config.request_bytes_max;
            if self.authentication.is_pending() {
                frame_bytes_max = frame_bytes_max.min(limits::UNAUTHENTICATED_REQUEST_BYTES_MAX);
            }
            match split_frame(&mut self.read_buffer, frame_bytes_max) {
                Ok(Some(frame)) => self.handle_frame(frame),
                Ok(None) => {
                    self.reserve_for_next_frame();
                    return;
                }
                Err(error) => {
                    tracing::warn!(event = "frame_refused", peer = %self.ends.peer, error = %error);
                    self.closing = true;
                }
            }
        }
    }

    /// One allocation for a large frame instead of many small growths.
    fn reserve_for_next_frame(&mut self) {
        let missing = match self.read_buffer.first_chunk::<4>() {
            Some(prefix) => {
                let length = usize::try_from(i32::from_be_bytes(*prefix)).unwrap_or(0);
                (length + 4).saturating_sub(self.read_buffer.len())
            }
            None => 0,
        };
        let spare = self.read_buffer.capacity() - self.read_buffer.len();
        if missing > spare {
            self.read_buffer.reserve(missing);
        } else if spare < 1024 {
            self.read_buffer.reserve(limits::READ_BUFFER_BYTES);
        }
    }

    fn handle_frame(&mut self, frame: Bytes) {
        match dispatch(&self.node, frame, &self.ends, &mut self.authentication) {
            Ok(Reply::Nothing) => {}
            Ok(Reply::Ready(frame)) => self.replies.push_back(PendingReply::Ready(frame)),
            Ok(Reply::Later(frame)) => self.replies.push_back(PendingReply::Later(frame)),
            Ok(Reply::Last(frame)) => {
                self.replies.push_back(PendingReply::Later(frame));
                self.closing = true;
            }
            Ok(Reply::Disconnect) => self.closing = true,
            Err(error) => {
                tracing::warn!(event = "request_refused", peer = %self.ends.peer, error = %error);
                self.closing = true;
            }
        }
    }

    /// Writes the responses at the front of the queue that are ready.
    async fn write_ready(&mut self) -> io::Result<()> {
        let mut chunks: VecDeque<Bytes> = VecDeque::new();
        let mut pause = Duration::ZERO;
        while let Some(PendingReply::Ready(_)) = self.replies.front() {
            if let Some(PendingReply::Ready(frame)) = self.replies.pop_front() {
                pause = pause.max(frame.pause);
                chunks.extend(frame.chunks);
            }
        }
        write_chunks(&mut self.stream, chunks).await?;
        if !pause.is_zero() {
            let until = clock::now() + pause;
            self.muted_until = Some(self.muted_until.map_or(until, |muted| muted.max(until)));
        }
        Ok(())
    }
}

/// Resolves at `at`; never without one.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn poll_front(front: Option<&mut LaterFrame>) -> ResponseFrame {
    match front {
        Some(frame) => frame.await,
        None => std::future::pending().await,
    }
}

async fn write_chunks<S: AsyncWrite + Unpin>(
    stream: &mut S,
    mut chunks: VecDeque<Bytes>,
) -> io::Result<()> {
    if chunks.is_empty() {
        return Ok(());
    }
    while !chunks.is_empty() {
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES_MAX];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&chunks) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        let mut written = stream.write_vectored(&slices[..count]).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(chunk) = chunks.front_mut() {
            if written < chunk.len() {
                chunk.advance(written);
                break;
            }
            written -= chunk.len();
            chunks.pop_front();
        }
    }
    stream.flush().await
}
