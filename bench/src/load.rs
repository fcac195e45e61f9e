//! What a client is asked to do, and the settings that all clients share.
//!
//! Knows no client.

use clap::{Args, ValueEnum};
use serde::Deserialize;

/// Bytes of a value; there is no key.
pub(crate) const VALUE_BYTES: usize = 100;
/// How long a batch waits for more records.
pub(crate) const LINGER_MS: u32 = 5;
/// A batch is sent when it has this many bytes.
pub(crate) const BATCH_BYTES: u32 = 128 * 1024;
/// What a producer may buffer.
pub(crate) const BUFFER_BYTES: u32 = 32 * 1024 * 1024;
/// A producer that tracks its deliveries keeps at most so many open, then awaits the oldest.
pub(crate) const DELIVERIES_OPEN_MAX: usize = 100_000;
/// The only topic …
pub(crate) const TOPIC: &str = "bench";
/// … but for this one, of which the null broker takes nothing.
pub(crate) const TOPIC_REFUSED: &str = "refused";

/// One run of one client.
#[derive(Args, Clone, Debug)]
pub(crate) struct Load {
    /// host:port
    #[arg(long)]
    pub(crate) brokers: String,
    #[arg(long)]
    pub(crate) partitions: i32,
    #[arg(long)]
    pub(crate) messages: u64,
    #[arg(long, default_value = "none")]
    pub(crate) codec: Codec,
    /// What the values are.
    #[arg(long, default_value = "letters")]
    pub(crate) payload: Payload,
}

/// What a value holds; it has the same size either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Payload {
    /// Its number and letters.
    Letters,
    /// An [`Event`] as JSON.
    Json,
}

/// What handlers are given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) user: String,
    pub(crate) event: String,
    pub(crate) content: String,
}

/// An [`Event`] of [`VALUE_BYTES`] bytes.
const EVENT: &[u8; VALUE_BYTES] = br#"{"id":1000000000,"user":"user-one","event":"signed_up","content":"welcome-to-the-place-of-messages"}"#;
/// Where its number is.
const EVENT_ID: std::ops::Range<usize> = 6..16;

/// How producers compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Codec {
    None,
    Lz4,
    Zstd,
}

impl Codec {
    /// As every client's setting names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl Load {
    /// The partition of the message `number`: each in turn, the same work for every client.
    pub(crate) fn partition(&self, number: u64) -> i32 {
        let partitions = u64::try_from(self.partitions.max(1)).unwrap_or(1);
        i32::try_from(number % partitions).unwrap_or(0)
    }
}

/// A value that differs from message to message.
#[derive(Debug)]
pub(crate) struct Value {
    bytes: [u8; VALUE_BYTES],
    payload: Payload,
}

impl Value {
    pub(crate) fn new(payload: Payload) -> Self {
        let mut bytes = *EVENT;
        if payload == Payload::Letters {
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = b'a' + u8::try_from(index % 26).unwrap_or(0);
            }
        }
        Self { bytes, payload }
    }

    pub(crate) fn numbered(&mut self, number: u64) -> &[u8] {
        match self.payload {
            Payload::Letters => self.bytes[..8].copy_from_slice(&number.to_be_bytes()),
            Payload::Json => {
                let mut rest = number;
                // The first digit stays: no number begins with 0.
                for digit in self.bytes[EVENT_ID].iter_mut().skip(1).rev() {
                    *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                    rest /= 10;
                }
            }
        }
        &self.bytes
    }
}
