//! Which partition a record goes to when the caller does not say.
//!
//! Owns the choice by key only: partitioners know nothing of batches, leaders or the network.

mod hash;
mod murmur2;

use std::fmt;
use std::sync::Arc;

pub use self::hash::KeyHash;
pub use self::murmur2::{murmur2, partition_for_key};

/// Chooses the partition of a record that names none.
///
/// Called once a record on the caller's task, so it must be quick and must not block.
pub trait Partitioner: Send + Sync + 'static {
    /// The partition for this record, in `0..partition_count`; a value outside is an error for
    /// that record.
    fn partition(&self, topic: &str, key: Option<&[u8]>, partition_count: i32) -> i32;
}

/// How the producer spreads records over partitions.
#[derive(Clone)]
#[non_exhaustive]
pub enum Partitioning {
    /// Records with a key go where the hash of the key says.
    Hash {
        /// The hash: must be the one that other producers of the topic use.
        hash: KeyHash,
        /// What becomes of records without a key.
        keyless: Keyless,
    },
    /// All records stick to a partition for about one batch, then move on, whatever their key
    /// (`partitioner.ignore.keys=true`).
    Sticky,
    /// Each record goes to the next partition, whatever its key. Makes small batches.
    RoundRobin,
    /// The caller's own choice.
    Custom(Arc<dyn Partitioner>),
}

/// Where records without a key go while others are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Keyless {
    /// They stick to a partition for about one batch, then move on (KIP-480), to one with less
    /// waiting in front of it (KIP-794).
    #[default]
    Sticky,
    /// As if their key was empty: all to the same partition, as librdkafka's `consistent`,
    /// `murmur2` and `fnv1a` do.
    Hashed,
}

impl Default for Partitioning {
    /// murmur2 of the key, the partition that the Java client picks; sticky without one.
    fn default() -> Self {
        Partitioning::Hash {
            hash: KeyHash::Murmur2,
            keyless: Keyless::Sticky,
        }
    }
}

impl Partitioning {
    /// The partition that is certain for a key, among `partition_count`; `None` where the
    /// producer chooses by what is going on.
    #[inline]
    pub(crate) fn fixed(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        partition_count: i32,
    ) -> Option<i32> {
        match self {
            Partitioning::Hash { hash, keyless } => match (key, keyless) {
                // librdkafka takes an empty key for none there, and only there.
                (Some([]), Keyless::Sticky) if *hash == KeyHash::Crc32 => None,
                (Some(key), _) => Some(hash.partition(key, partition_count)),
                (None, Keyless::Hashed) => Some(hash.partition(&[], partition_count)),
                (None, Keyless::Sticky) => None,
            },
            Partitioning::Custom(partitioner) => {
                Some(partitioner.partition(topic, key, partition_count))
            }
            Partitioning::Sticky | Partitioning::RoundRobin => None,
        }
    }
}

impl fmt::Debug for Partitioning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Partitioning::Hash { hash, keyless } => f
                .debug_struct("Hash")
                .field("hash", hash)
                .field("keyless", keyless)
                .finish(),
            Partitioning::Sticky => f.write_str("Sticky"),
            Partitioning::RoundRobin => f.write_str("RoundRobin"),
            Partitioning::Custom(_) => f.write_str("Custom"),
        }
    }
}

#[cfg(test)]
mod tests;
