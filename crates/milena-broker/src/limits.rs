//! Every bound of the broker in one place.
//!
//! Owns numbers only. What an operator may change is a property (see
//! [`crate::config`]); what is fixed by design stands here.

/// Requests of one connection that may be in work at once; reading stops above it.
pub(crate) const REQUESTS_IN_FLIGHT_MAX: usize = 128;

/// Bytes read from a socket in one go while no larger frame is expected.
pub(crate) const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Bodies below this size are copied into the response or out of the request
/// instead of being referenced: the copy is cheaper than what it would pin.
pub(crate) const SHARED_BYTES_MIN: usize = 4 * 1024;

/// Decompressed bytes one batch may expand to while it is being validated.
pub(crate) const DECOMPRESSED_BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Batches per producer and partition whose sequences are remembered (KIP-98).
pub(crate) const PRODUCER_BATCHES_KEPT: usize = 5;

/// Keys remembered while a log is compacted; the next pass goes on behind them.
pub(crate) const COMPACTION_KEYS_MAX: usize = 1_000_000;

/// Producers remembered per partition; the longest silent one makes room.
pub(crate) const PRODUCERS_PER_PARTITION_MAX: usize = 10_000;

/// Producer ids reserved on disk at once, so that a restart never reuses one.
pub(crate) const PRODUCER_ID_BLOCK: i64 = 1_000;

/// Length of a topic name, as in Apache Kafka.
pub(crate) const TOPIC_NAME_LENGTH_MAX: usize = 249;

/// Partitions of one topic.
pub(crate) const PARTITIONS_PER_TOPIC_MAX: i32 = 10_000;

/// Partitions described in one response to DescribeTopicPartitions, as in Apache Kafka.
pub(crate) const PARTITIONS_PER_PAGE_MAX: i32 = 2_000;

/// Access control entries of one broker.
pub(crate) const ACLS_MAX: usize = 20_000;

/// Users and client ids with a quota whose use is counted; those who come later go free until one of
/// them has been idle.
pub(crate) const CLIENTS_COUNTED_MAX: usize = 10_000;

/// Topics of one broker.
pub(crate) const TOPICS_MAX: usize = 20_000;

/// Consumer groups of one broker.
pub(crate) const GROUPS_MAX: usize = 50_000;

/// Transactional ids of one broker.
pub(crate) const TRANSACTIONAL_IDS_MAX: usize = 50_000;

/// Length of a group id or a group instance id.
pub(crate) const GROUP_ID_LENGTH_MAX: usize = 1_024;

/// Partitions a single group may have committed offsets for.
pub(crate) const OFFSETS_PER_GROUP_MAX: usize = 250_000;

/// The largest request of a client that has not said who it is, as in Apache Kafka
/// (`sasl.server.max.receive.size`).
pub(crate) const UNAUTHENTICATED_REQUEST_BYTES_MAX: usize = 512 * 1024;

/// How long a client may take for its TLS handshake.
pub(crate) const TLS_HANDSHAKE_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// How long a graceful stop waits for connections to finish what they do.
pub(crate) const STOP_GRACE: std::time::Duration = std::time::Duration::from_secs(5);

const _: () = assert!(READ_BUFFER_BYTES > SHARED_BYTES_MIN);
