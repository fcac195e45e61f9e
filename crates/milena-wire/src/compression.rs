//! The codecs of record batches, behind one function each way. Knows no batches.
//!
//! Every decompression is given the most bytes it may produce and stops there, before room for
//! more is made: a few bytes on the wire must not fill the memory.

use bytes::Bytes;
use std::fmt;
use std::io::Read;
use std::ops::RangeInclusive;
use std::str::FromStr;

mod gzip;
mod lz4;
mod snappy;
#[cfg(test)]
mod tests;
mod zstd;

/// How the records of a batch are compressed. The values are those on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None = 0,
    /// gzip (RFC 1952).
    Gzip = 1,
    /// Snappy in the framing of snappy-java.
    Snappy = 2,
    /// The LZ4 frame format.
    Lz4 = 3,
    /// Zstandard (KIP-110).
    Zstd = 4,
}

/// Why bytes could not be compressed or decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompressionError {
    /// The number in the batch's attributes stands for no codec.
    #[error("compression type {0} is not known")]
    UnknownCodec(u8),
    /// The name stands for no codec.
    #[error("compression {0:?} is not known: use none, gzip, snappy, lz4 or zstd")]
    UnknownName(String),
    /// The codec has no such level.
    #[error("{codec} has no compression level {level}{}", allowed_levels(*.codec))]
    Level {
        /// The codec.
        codec: Compression,
        /// The level asked for.
        level: i32,
    },
    /// The bytes unfold to more than allowed.
    #[error("{codec} data unfolds to more than the {limit} bytes allowed")]
    TooLarge {
        /// The codec.
        codec: Compression,
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes are not what the codec produces.
    #[error("{codec} data is corrupt: {reason}")]
    Corrupt {
        /// The codec.
        codec: Compression,
        /// What is wrong with them.
        reason: String,
    },
    /// The codec failed to compress.
    #[error("{codec} compression failed: {reason}")]
    Failed {
        /// The codec.
        codec: Compression,
        /// Why.
        reason: String,
    },
}

fn allowed_levels(codec: Compression) -> String {
    match codec.level_range() {
        Some(range) => format!(": use {} to {}", range.start(), range.end()),
        None => ": it has no levels".to_owned(),
    }
}

impl Compression {
    /// Every codec, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The name in Kafka's configuration, such as `zstd`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The levels that may be asked for, those of Kafka's `compression.*.level` (KIP-390).
    /// The LZ4 implementation has one level: the others are accepted and mean the same.
    #[must_use]
    pub const fn level_range(self) -> Option<RangeInclusive<i32>> {
        match self {
            Self::None | Self::Snappy => None,
            Self::Gzip => Some(1..=9),
            Self::Lz4 => Some(1..=17),
            Self::Zstd => Some(-131_072..=22),
        }
    }

    /// Checks a level before it is used; `None` is the codec's default: 6 for gzip, 3 for zstd.
    ///
    /// # Errors
    /// [`CompressionError::Level`] when the codec has no such level.
    pub fn check_level(self, level: Option<i32>) -> Result<(), CompressionError> {
        match level {
            None => Ok(()),
            Some(level)
                if self
                    .level_range()
                    .is_some_and(|range| range.contains(&level)) =>
            {
                Ok(())
            }
            Some(level) => Err(CompressionError::Level { codec: self, level }),
        }
    }
}

impl TryFrom<u8> for Compression {
    type Error = CompressionError;

    fn try_from(number: u8) -> Result<Self, CompressionError> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            other => Err(CompressionError::UnknownCodec(other)),
        }
    }
}

impl FromStr for Compression {
    type Err = CompressionError;

    fn from_str(name: &str) -> Result<Self, CompressionError> {
        let known = Self::ALL
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name));
        known.ok_or_else(|| CompressionError::UnknownName(name.to_owned()))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Appends the compressed form of `input` to `out`.
///
/// # Errors
/// [`CompressionError::Level`] for a level the codec does not have, and
/// [`CompressionError::Failed`] when the codec gives up.
pub fn compress(
    codec: Compression,
    level: Option<i32>,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    codec.check_level(level)?;
    let result = match codec {
        Compression::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        Compression::Gzip => gzip::compress(level, input, out),
        Compression::Snappy => snappy::compress(input, out),
        Compression::Lz4 => lz4::compress(input, out),
        Compression::Zstd => zstd::compress(level, input, out),
    };
    result.map_err(|reason| CompressionError::Failed { codec, reason })
}

/// Gives the bytes that `input` was made from; without compression, `input` itself, not copied.
///
/// # Errors
/// [`CompressionError::TooLarge`] when they are more than `bytes_max`, found while decompressing,
/// and [`CompressionError::Corrupt`] when the codec did not produce `input`.
pub fn decompress(
    codec: Compression,
    input: &Bytes,
    bytes_max: usize,
) -> Result<Bytes, CompressionError> {
    let result = match codec {
        Compression::None if input.len() <= bytes_max => return Ok(input.clone()),
        Compression::None => Err(Refusal::TooLarge),
        Compression::Gzip => gzip::decompress(input, bytes_max),
        Compression::Snappy => snappy::decompress(input, bytes_max),
        Compression::Lz4 => lz4::decompress(input, bytes_max),
        Compression::Zstd => zstd::decompress(input, bytes_max),
    };
    match result {
        Ok(bytes) => Ok(Bytes::from(bytes)),
        Err(Refusal::TooLarge) => Err(CompressionError::TooLarge {
            codec,
            limit: bytes_max,
        }),
        Err(Refusal::Corrupt(reason)) => Err(CompressionError::Corrupt { codec, reason }),
    }
}

/// Why a codec does not decompress; the codec's name is added above.
#[derive(Debug)]
enum Refusal {
    TooLarge,
    Corrupt(String),
}

impl Refusal {
    fn corrupt(reason: impl fmt::Display) -> Self {
        Self::Corrupt(reason.to_string())
    }
}

/// Reads a decoder to its end, growing with what really comes out and never beyond `bytes_max`.
fn read_bounded(
    decoder: impl Read,
    compressed_bytes: usize,
    bytes_max: usize,
) -> Result<Vec<u8>, Refusal> {
    const EXPECTED_RATIO: usize = 4;
    let expected = compressed_bytes
        .saturating_mul(EXPECTED_RATIO)
        .min(bytes_max);
    let mut out = Vec::with_capacity(expected);
    // One byte more than allowed tells "exactly the limit" from "above it".
    let limit = u64::try_from(bytes_max)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    decoder
        .take(limit)
        .read_to_end(&mut out)
        .map_err(Refusal::corrupt)?;
    if out.len() > bytes_max {
        Err(Refusal::TooLarge)
    } else {
        Ok(out)
    }
}
