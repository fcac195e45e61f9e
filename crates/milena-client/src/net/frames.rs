//! Frames out of a byte stream, each as one piece of memory that nobody copies.

use std::io;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::buffer_pool::BufferPool;

/// What is read at once while frames are small; a larger frame gets a buffer of exactly its size.
const READ_BYTES: usize = 64 * 1024;
/// Below this much free space the read buffer is replaced.
const READ_BYTES_MIN: usize = 8 * 1024;
const LENGTH_BYTES: usize = 4;
/// Buffers of large frames that a connection keeps while one large frame follows the other.
const SPARE_BUFFERS_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Splits what arrives into frames.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    stream: R,
    frame_bytes_max: usize,
    buffer: BytesMut,
    large: Option<LargeFrame>,
    spare: Arc<BufferPool>,
}

/// A frame that does not fit the read buffer, on its way.
#[derive(Debug)]
struct LargeFrame {
    buffer: Vec<u8>,
    bytes_missing: usize,
}

/// Why there is no next frame.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The other side closed the connection.
    Closed {
        /// It did so in the middle of a frame.
        within_frame: bool,
    },
    /// The length is negative or larger than allowed.
    Length(i32),
    /// Reading failed.
    Io(io::Error),
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames of at most `frame_bytes_max` from `stream`.
    pub(super) fn new(stream: R, frame_bytes_max: usize) -> Self {
        Self {
            stream,
            frame_bytes_max,
            buffer: BytesMut::with_capacity(READ_BYTES),
            large: None,
            spare: BufferPool::new(SPARE_BUFFERS_MAX, SPARE_BYTES_MAX),
        }
    }

    /// The next frame without its length, if it has arrived whole.
    pub(super) fn take_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(large) = self.large.take_if(|large| large.bytes_missing == 0) {
            return Ok(Some(self.spare.lend(large.buffer)));
        }
        let Some(length) = self
            .buffer
            .first_chunk::<LENGTH_BYTES>()
            .filter(|_| self.large.is_none())
        else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*length);
        let frame_bytes = usize::try_from(length)
            .ok()
            .filter(|bytes| *bytes <= self.frame_bytes_max)
            .ok_or(FrameError::Length(length))?;
        if self.buffer.len() - LENGTH_BYTES >= frame_bytes {
            // No flood of data any more: its buffers may go.
            self.spare.clear();
            let mut frame = self.buffer.split_to(LENGTH_BYTES + frame_bytes);
            return Ok(Some(frame.split_off(LENGTH_BYTES).freeze()));
        }
        if LENGTH_BYTES + frame_bytes > READ_BYTES {
            self.large = Some(self.begin_large(frame_bytes));
        }
        Ok(None)
    }

    /// Waits for more bytes. Nothing is lost when it is cancelled.
    pub(super) async fn read_more(&mut self) -> Result<(), FrameError> {
        let read = match &mut self.large {
            Some(large) => {
                let mut space = (&mut large.buffer).limit(large.bytes_missing);
                let read = self
                    .stream
                    .read_buf(&mut space)
                    .await
                    .map_err(FrameError::Io)?;
                large.bytes_missing -= read;
                read
            }
            None => {
                if self.buffer.capacity() - self.buffer.len() < READ_BYTES_MIN {
                    self.buffer.reserve(READ_BYTES);
                }
                self.stream
                    .read_buf(&mut self.buffer)
                    .await
                    .map_err(FrameError::Io)?
            }
        };
        if read == 0 {
            let within_frame = self.large.is_some() || !self.buffer.is_empty();
            return Err(FrameError::Closed { within_frame });
        }
        Ok(())
    }

    /// Moves the beginning of a frame, all that has arrived, to a buffer of the frame's size.
    fn begin_large(&mut self, frame_bytes: usize) -> LargeFrame {
        let mut buffer = self.spare.take(frame_bytes);
        buffer.clear();
        buffer.reserve_exact(frame_bytes);
        let arrived = self.buffer.split_off(LENGTH_BYTES);
        buffer.put_slice(&arrived);
        self.buffer.clear();
        LargeFrame {
            bytes_missing: frame_bytes - buffer.len(),
            buffer,
        }
    }
}

#[cfg(test)]
mod tests;
