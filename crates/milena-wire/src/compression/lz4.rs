//! The LZ4 frame format. Written as the Java client can read it: independent blocks of 64 KiB
//! without checksums (KIP-57). Read as anybody writes it. Knows no limits of its own.

use super::{Refusal, read_bounded};
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use std::io::Write;

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let info = FrameInfo::new()
        .block_mode(BlockMode::Independent)
        .block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder
        .write_all(input)
        .map_err(|error| error.to_string())?;
    encoder
        .finish()
        .map(|_| ())
        .map_err(|error| error.to_string())
}

pub(super) fn decompress(input: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let mut rest = input;
    let out = read_bounded(FrameDecoder::new(&mut rest), input.len(), bytes_max)?;
    if input.is_empty() {
        Err(Refusal::corrupt("no frame"))
    } else {
        Ok(out)
    }
}
