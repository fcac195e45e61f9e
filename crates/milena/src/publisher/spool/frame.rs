//! How entries lie in a file: length (4 bytes), CRC-32C (4 bytes) of all that follows, number
//! (8 bytes), entry; the length counts number and entry. Little-endian.

use std::io::{self, Read};

use bytes::{BufMut as _, Bytes};

/// What a spool file begins with; the last byte is the version.
pub(super) const FILE_HEADER: [u8; 8] = *b"milspl\0\x01";
/// A frame without its entry.
pub(super) const FRAME_BYTES: usize = 16;
const NUMBER_BYTES: usize = 8;

/// An entry with its number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) number: u64,
    pub(super) body: Bytes,
}

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Frame(Frame),
    /// The sum is wrong; whether the length is right shows in what follows.
    Damaged {
        bytes: u64,
    },
    /// What is left cannot be a frame.
    Torn,
    End,
}

/// Bytes of a frame with such an entry.
pub(super) fn frame_bytes(body: &[u8]) -> u64 {
    (FRAME_BYTES + body.len()) as u64
}

/// Leaves room for what is before an entry, which is to be appended next; see [`seal`].
pub(super) fn begin(buffer: &mut Vec<u8>) {
    buffer.put_bytes(0, FRAME_BYTES);
}

/// Completes a frame that has its entry: its length, sum and number.
pub(super) fn seal(frame: &mut [u8], number: u64) {
    let (mut head, content) = frame.split_at_mut(FRAME_BYTES - NUMBER_BYTES);
    let length =
        u32::try_from(content.len()).expect("invariant: the store takes no entry near 4 GiB");
    (&mut *content).put_u64_le(number);
    head.put_u32_le(length);
    head.put_u32_le(crc32c::crc32c(content));
}

/// Reads what comes next, of which there are `bytes_left` bytes at most. Allocates no more than
/// those, whatever the length says.
pub(super) fn read(reader: &mut impl Read, bytes_left: u64) -> io::Result<Step> {
    if bytes_left == 0 {
        return Ok(Step::End);
    }
    if bytes_left < FRAME_BYTES as u64 {
        return Ok(Step::Torn);
    }
    let length = read_u32(reader)?;
    let sum = read_u32(reader)?;
    let bytes = u64::from(length) + 8;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length < NUMBER_BYTES || bytes > bytes_left {
        return Ok(Step::Torn);
    }
    let mut content = vec![0; length];
    reader.read_exact(&mut content)?;
    if crc32c::crc32c(&content) != sum {
        return Ok(Step::Damaged { bytes });
    }
    let mut body = Bytes::from(content);
    let number = bytes::Buf::get_u64_le(&mut body);
    Ok(Step::Frame(Frame { number, body }))
}

fn read_u32(reader: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}
