//! gzip, as one or several members. Knows no limits of its own.

use super::{Refusal, read_bounded};
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io::Write;

pub(super) fn compress(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let level = match level.map(u32::try_from) {
        None => flate2::Compression::default(),
        Some(Ok(level)) => flate2::Compression::new(level),
        Some(Err(error)) => return Err(error.to_string()),
    };
    let mut encoder = GzEncoder::new(out, level);
    encoder
        .write_all(input)
        .and_then(|()| encoder.try_finish())
        .map_err(|error| error.to_string())
}

pub(super) fn decompress(input: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    read_bounded(MultiGzDecoder::new(input), input.len(), bytes_max)
}
