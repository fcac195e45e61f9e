//! Which partition a record goes to when the caller does not say.
//!
//! Owns the choice only: partitioners know nothing of batches, leaders or the network.

mod murmur2;

use std::fmt;
use std::sync::Arc;

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
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Partitioning {
    /// Records with a key: murmur2 of the key, the same partition that the Java client picks.
    /// Records without one stick to a partition for about one batch, then move on (KIP-480,
    /// KIP-794).
    #[default]
    HashOrSticky,
    /// The caller's own choice.
    Custom(Arc<dyn Partitioner>),
}

impl fmt::Debug for Partitioning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Partitioning::HashOrSticky => "HashOrSticky",
            Partitioning::Custom(_) => "Custom",
        })
    }
}

#[cfg(test)]
mod tests;
