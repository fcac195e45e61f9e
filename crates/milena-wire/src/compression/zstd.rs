//! Zstandard. Windows above 128 MiB are refused by the library. Knows no limits of its own.

use super::{Refusal, read_bounded};
use zstd::bulk;
use zstd::stream::read::Decoder;
use zstd::zstd_safe::compress_bound;

pub(super) fn compress(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    // In one piece: the library then knows the size, and sets up no more than that needs.
    let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
    let start = out.len();
    out.resize(start + compress_bound(input.len()), 0);
    let (_, room) = out.split_at_mut(start);
    let written =
        bulk::compress_to_buffer(input, room, level).map_err(|error| error.to_string())?;
    out.truncate(start + written);
    Ok(())
}

pub(super) fn decompress(input: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let decoder = Decoder::with_buffer(input).map_err(Refusal::corrupt)?;
    read_bounded(decoder, input.len(), bytes_max)
}
