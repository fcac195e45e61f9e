//! Zstandard. Windows above 128 MiB are refused by the library. Knows no limits of its own.

use super::{Refusal, read_bounded};
use zstd::stream::read::Decoder;

pub(super) fn compress(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
    zstd::stream::copy_encode(input, out, level).map_err(|error| error.to_string())
}

pub(super) fn decompress(input: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let decoder = Decoder::with_buffer(input).map_err(Refusal::corrupt)?;
    read_bounded(decoder, input.len(), bytes_max)
}
