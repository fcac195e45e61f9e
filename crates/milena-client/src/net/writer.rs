//! The task that writes what is queued on a connection: several requests per system call, nothing
//! copied.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::connection::Link;

/// Pieces that go into one vectored write.
const SLICES_MAX: usize = 64;

/// Writes until the connection ends.
pub(super) async fn run<W: AsyncWrite + Unpin>(link: Arc<Link>, mut stream: W) {
    let mut chunks = VecDeque::with_capacity(SLICES_MAX);
    loop {
        link.take_writable(&mut chunks, SLICES_MAX);
        if chunks.is_empty() {
            link.writer_wake.notified().await;
        } else if let Err(error) = write(&mut stream, &mut chunks).await {
            return link.close(link.disconnected(format!("write failed: {error}")), None);
        } else {
            link.written();
        }
    }
}

/// Writes all of `chunks`.
async fn write<W: AsyncWrite + Unpin>(
    stream: &mut W,
    chunks: &mut VecDeque<Bytes>,
) -> io::Result<()> {
    while !chunks.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks.iter()) {
            *slice = IoSlice::new(chunk);
            filled += 1;
        }
        let written = stream.write_vectored(&slices[..filled]).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        advance(chunks, written);
    }
    stream.flush().await
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
