//! What a client is asked to do, and the settings that all clients share.
//!
//! Knows no client.

use clap::{Args, ValueEnum};

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
/// The only topic.
pub(crate) const TOPIC: &str = "bench";

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
}

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

/// A value that differs from message to message in its first eight bytes.
#[derive(Debug)]
pub(crate) struct Value([u8; VALUE_BYTES]);

impl Value {
    pub(crate) fn new() -> Self {
        let mut bytes = [0; VALUE_BYTES];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = b'a' + u8::try_from(index % 26).unwrap_or(0);
        }
        Self(bytes)
    }

    pub(crate) fn numbered(&mut self, number: u64) -> &[u8] {
        self.0[..8].copy_from_slice(&number.to_be_bytes());
        &self.0
    }
}
