//! Snappy in the framing of snappy-java ("xerial"): a header, then blocks with a length each.
//! librdkafka and other clients also send one bare block without framing; both are read, and the
//! framing is written, since every client reads it. Knows no limits of its own.

use super::Refusal;
use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// The magic, then the version and the oldest compatible version, four bytes each.
const HEADER_BYTES: usize = 16;
const VERSION: u32 = 1;
/// The default block size of snappy-java.
const BLOCK_BYTES: usize = 32 * 1024;
const BLOCK_LENGTH_BYTES: usize = 4;
/// A copy of 64 bytes takes at least 3: a block that claims to unfold to more lies.
const UNFOLDING_RATIO_MAX: usize = 64 / 3 + 1;

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = Encoder::new();
    for block in input.chunks(BLOCK_BYTES) {
        let start = out.len() + BLOCK_LENGTH_BYTES;
        out.resize(start + max_compress_len(block.len()), 0);
        let (before, room) = out.split_at_mut(start);
        let written = encoder
            .compress(block, room)
            .map_err(|error| error.to_string())?;
        let length = u32::try_from(written).map_err(|error| error.to_string())?;
        if let Some(prefix) = before.last_chunk_mut() {
            *prefix = length.to_be_bytes();
        }
        out.truncate(start + written);
    }
    Ok(())
}

pub(super) fn decompress(input: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    let mut decoder = Decoder::new();
    if !input.starts_with(&MAGIC) {
        append_block(&mut decoder, input, &mut out, bytes_max)?;
        return Ok(out);
    }
    let mut rest = input
        .get(HEADER_BYTES..)
        .ok_or_else(|| Refusal::corrupt("header cut off"))?;
    while !rest.is_empty() {
        let block = take_block(&mut rest)?;
        append_block(&mut decoder, block, &mut out, bytes_max)?;
    }
    Ok(out)
}

fn take_block<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Refusal> {
    let (prefix, behind) = rest
        .split_first_chunk::<BLOCK_LENGTH_BYTES>()
        .ok_or_else(|| Refusal::corrupt("block length cut off"))?;
    let (block, behind) = usize::try_from(i32::from_be_bytes(*prefix))
        .ok()
        .and_then(|length| behind.split_at_checked(length))
        .ok_or_else(|| Refusal::corrupt("a block is longer than the data"))?;
    *rest = behind;
    Ok(block)
}

fn append_block(
    decoder: &mut Decoder,
    block: &[u8],
    out: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<(), Refusal> {
    let claimed = decompress_len(block).map_err(Refusal::corrupt)?;
    if claimed > bytes_max - out.len() {
        return Err(Refusal::TooLarge);
    }
    if claimed > block.len().saturating_mul(UNFOLDING_RATIO_MAX) {
        return Err(Refusal::corrupt(
            "a block claims to unfold to more than is possible",
        ));
    }
    let start = out.len();
    out.resize(start + claimed, 0);
    let (_, room) = out.split_at_mut(start);
    let written = decoder.decompress(block, room).map_err(Refusal::corrupt)?;
    out.truncate(start + written);
    Ok(())
}
