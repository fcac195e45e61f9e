//! Frames: a four-byte big-endian length, then that many bytes. Knows nothing of their content.

use bytes::{Buf, Bytes, BytesMut};

#[cfg(test)]
mod tests;

/// The size of a frame's length prefix.
pub const LENGTH_PREFIX_BYTES: usize = 4;

/// Why a stream of frames cannot go on. The connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length is below zero: the peer does not speak Kafka.
    #[error("a frame announces a length of {length}: the peer does not speak Kafka's protocol")]
    Negative {
        /// The announced length.
        length: i32,
    },
    /// The length is above the limit.
    #[error("a frame announces {length} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The announced length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

/// Takes the next whole frame, without its length prefix, from the front of `buffer`.
///
/// `None` means that more bytes are needed; [`frame_bytes_missing`] says how many. A length is
/// refused as soon as it is known, before any room is made for the frame.
///
/// # Errors
/// [`FrameError`] for a negative length and for one above `frame_bytes_max`.
pub fn split_frame(
    buffer: &mut BytesMut,
    frame_bytes_max: usize,
) -> Result<Option<Bytes>, FrameError> {
    let Some(length) = announced_length(buffer, frame_bytes_max)? else {
        return Ok(None);
    };
    if buffer.len() - LENGTH_PREFIX_BYTES < length {
        return Ok(None);
    }
    buffer.advance(LENGTH_PREFIX_BYTES);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// How many bytes are missing until [`split_frame`] has something to give: what a reader should
/// reserve. 0 when a whole frame is there.
///
/// # Errors
/// As [`split_frame`].
pub fn frame_bytes_missing(buffer: &[u8], frame_bytes_max: usize) -> Result<usize, FrameError> {
    let wanted = match announced_length(buffer, frame_bytes_max)? {
        Some(length) => LENGTH_PREFIX_BYTES + length,
        None => LENGTH_PREFIX_BYTES,
    };
    Ok(wanted.saturating_sub(buffer.len()))
}

fn announced_length(buffer: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = buffer.first_chunk::<LENGTH_PREFIX_BYTES>() else {
        return Ok(None);
    };
    let announced = i32::from_be_bytes(*prefix);
    let length =
        usize::try_from(announced).map_err(|_| FrameError::Negative { length: announced })?;
    if length > limit {
        return Err(FrameError::TooLarge { length, limit });
    }
    Ok(Some(length))
}
