//! The hashes of keys that Kafka clients use, so that all put a key on one partition.

use super::murmur2::partition_for_key;

const FNV1A_OFFSET_BASIS: u32 = 0x811c_9dc5;
const FNV1A_PRIME: u32 = 0x0100_0193;

/// How a key becomes a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum KeyHash {
    /// As the Java client, Kafka Streams, franz-go, and librdkafka's `murmur2_random`.
    #[default]
    Murmur2,
    /// CRC-32 as librdkafka's `consistent_random`, its default and that of the clients built on it.
    Crc32,
    /// 32-bit FNV-1a as librdkafka's `fnv1a_random`.
    Fnv1a,
}

impl KeyHash {
    /// The partition of `key`; 0 when there are none.
    #[inline]
    pub(super) fn partition(self, key: &[u8], partition_count: i32) -> i32 {
        let Some(count) = u32::try_from(partition_count).ok().filter(|n| *n > 0) else {
            return 0;
        };
        match self {
            KeyHash::Murmur2 => partition_for_key(key, partition_count),
            KeyHash::Crc32 => (crc32fast::hash(key) % count) as i32,
            KeyHash::Fnv1a => (fnv1a(key) % count) as i32,
        }
    }
}

/// The absolute value, as librdkafka and Sarama take it.
fn fnv1a(key: &[u8]) -> u32 {
    let hash = key.iter().fold(FNV1A_OFFSET_BASIS, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(FNV1A_PRIME)
    });
    (hash as i32).unsigned_abs()
}
