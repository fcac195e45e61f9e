//! Writing what is queued on a connection: several requests per system call, nothing copied. Whoever
//! queues a request writes it as well, if the socket takes it at once; the task here does the rest.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::connection::Link;

/// Pieces that go into one vectored write.
const SLICES_MAX: usize = 64;

type Stream = Box<dyn AsyncWrite + Send + Unpin>;

/// The half of a connection that is written to.
pub(super) struct Writer {
    /// None once the connection has ended.
    stream: Option<Stream>,
    /// Of whole requests; all but the first are unbegun.
    chunks: VecDeque<Bytes>,
    /// The task waits until the socket takes more.
    is_awaited: bool,
}

impl Writer {
    pub(super) fn new(stream: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            stream: Some(Box::new(stream)),
            chunks: VecDeque::new(),
            is_awaited: false,
        }
    }

    /// Lets go of the stream; the rest is not written.
    pub(super) fn close(&mut self) {
        self.stream = None;
        self.chunks.clear();
    }

    /// Writes until `more`, asked each time that all it gave is written, gives nothing. Where this
    /// is pending, what is begun stays.
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        mut more: impl FnMut(&mut VecDeque<Bytes>),
    ) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Ok(()));
        };
        let mut stream = Pin::new(stream);
        loop {
            if self.chunks.is_empty() {
                more(&mut self.chunks);
            }
            if self.chunks.is_empty() {
                return stream.poll_flush(context);
            }
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut filled = 0;
            for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
                *slice = IoSlice::new(chunk);
                filled += 1;
            }
            let written = stream
                .as_mut()
                .poll_write_vectored(context, &slices[..filled]);
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => advance(&mut self.chunks, written),
            }
        }
    }
}

/// Writes what the socket did not take at once, until the connection ends.
pub(super) async fn run(link: Arc<Link>) {
    loop {
        std::future::poll_fn(|context| {
            let writer = link.writer.lock();
            let mut writer = writer.unwrap_or_else(PoisonError::into_inner);
            writer.is_awaited = true;
            write(&link, writer, context)
        })
        .await;
        link.writer_wake.notified().await;
    }
}

/// Writes what is queued, as far as the socket takes it at once.
pub(super) fn write_now(link: &Link) {
    let writer = match link.writer.try_lock() {
        Ok(writer) => writer,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // Whoever writes may have seen the end of the queue before this request was in it.
        Err(TryLockError::WouldBlock) => return link.writer_wake.notify_one(),
    };
    // A socket wakes the last who tried: trying here would take the task's place, and nobody would
    // be woken.
    if writer.is_awaited {
        return;
    }
    if write(link, writer, &mut Context::from_waker(Waker::noop())).is_pending() {
        link.writer_wake.notify_one();
    }
}

fn write(link: &Link, mut writer: MutexGuard<'_, Writer>, context: &mut Context<'_>) -> Poll<()> {
    let mut done = Vec::new();
    let polled = writer.poll_write(context, |chunks| {
        link.take_writable(chunks, SLICES_MAX, &mut done);
    });
    writer.is_awaited &= polled.is_pending();
    // Whoever is told may end the connection, which takes the writer.
    drop(writer);
    for request in done {
        request.waiter.tell(Ok(Bytes::new()));
    }
    if let Err(error) = ready!(polled) {
        // Whichever of the two is first hears of it when the broker refuses the handshake late.
        let (error, guilty) = link.broken("write", &error);
        link.close(error, guilty);
    }
    Poll::Ready(())
}

/// Drops what has been written.
fn advance(chunks: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(chunk) = chunks.front_mut() {
        if chunk.len() > written {
            return chunk.advance(written);
        }
        written -= chunk.len();
        chunks.pop_front();
    }
}

#[cfg(test)]
mod tests;
