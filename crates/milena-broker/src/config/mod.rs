//! The broker's configuration: Kafka's property names in, checked values out.
//!
//! Owns every setting and its default. What a setting does is known where it is
//! used.

mod properties;

use std::time::Duration;

use milena_wire::batch::TimestampType;

pub(crate) use properties::apply;
pub use properties::property_names;

/// Checked settings; each field names the property it comes from.
#[derive(Debug, Clone)]
pub(crate) struct BrokerConfig {
    /// `node.id`, `broker.id`
    pub(crate) node_id: i32,
    /// `broker.rack`
    pub(crate) rack: Option<String>,
    /// `advertised.listeners`; without it a client is told the address it came to.
    pub(crate) advertised: Option<(String, u16)>,
    /// `num.partitions`
    pub(crate) partitions_default: i32,
    /// `auto.create.topics.enable`
    pub(crate) auto_create_topics: bool,
    /// `delete.topic.enable`
    pub(crate) delete_topics: bool,
    /// `message.max.bytes`
    pub(crate) batch_bytes_max: usize,
    /// `socket.request.max.bytes`
    pub(crate) request_bytes_max: usize,
    /// `max.connections`
    pub(crate) connections_max: usize,
    /// `connections.max.idle.ms`
    pub(crate) connection_idle_max: Duration,
    /// `fetch.max.bytes`
    pub(crate) fetch_bytes_max: usize,
    /// `max.incremental.fetch.session.cache.slots`
    pub(crate) fetch_sessions_max: usize,
    /// `log.message.timestamp.type`
    pub(crate) timestamp_type: TimestampType,
    /// `log.message.timestamp.before.max.ms`
    pub(crate) timestamp_before_max_ms: i64,
    /// `log.message.timestamp.after.max.ms`
    pub(crate) timestamp_after_max_ms: i64,
    /// `log.retention.ms`, `.minutes`, `.hours`; `None` keeps for ever.
    pub(crate) retention_ms: Option<i64>,
    /// `log.retention.bytes`, per partition; `None` is unlimited.
    pub(crate) retention_bytes: Option<u64>,
    /// `log.retention.check.interval.ms`
    pub(crate) retention_check_interval: Duration,
    /// `log.segment.bytes`
    pub(crate) segment_bytes: u64,
    /// `log.index.interval.bytes`
    pub(crate) index_interval_bytes: u64,
    /// `log.flush.interval.messages`; 1 makes every acknowledgement wait for the disk.
    pub(crate) flush_interval_messages: u64,
    /// `log.flush.interval.ms`
    pub(crate) flush_interval: Option<Duration>,
    /// `log.flush.offset.checkpoint.interval.ms`; everything is on disk this often at least.
    pub(crate) checkpoint_interval: Duration,
    /// `producer.id.expiration.ms`
    pub(crate) producer_id_expiration: Duration,
    /// `group.initial.rebalance.delay.ms`
    pub(crate) group_initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`
    pub(crate) group_session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`
    pub(crate) group_session_timeout_max: Duration,
    /// `group.max.size`
    pub(crate) group_members_max: usize,
    /// `offset.metadata.max.bytes`
    pub(crate) offset_metadata_bytes_max: usize,
    /// `offsets.retention.minutes`
    pub(crate) offsets_retention: Duration,
}

impl Default for BrokerConfig {
    /// Apache Kafka's defaults with two exceptions, because this broker is made for
    /// tests: a new group does not wait for more members
    /// (`group.initial.rebalance.delay.ms` is 0, not 3000), and nothing is deleted
    /// for its age (`log.retention.ms` is −1, not seven days): test data is often old.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        BrokerConfig {
            node_id: 1,
            rack: None,
            advertised: None,
            partitions_default: 1,
            auto_create_topics: true,
            delete_topics: true,
            batch_bytes_max: 1_048_588,
            request_bytes_max: 100 * 1024 * 1024,
            connections_max: 10_000,
            connection_idle_max: Duration::from_secs(10 * 60),
            fetch_bytes_max: 55 * 1024 * 1024,
            fetch_sessions_max: 1_000,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 60 * 60 * 1000,
            retention_ms: None,
            retention_bytes: None,
            retention_check_interval: Duration::from_secs(5 * 60),
            segment_bytes: 1024 * 1024 * 1024,
            index_interval_bytes: 4096,
            flush_interval_messages: u64::MAX,
            flush_interval: None,
            checkpoint_interval: Duration::from_secs(60),
            producer_id_expiration: DAY,
            group_initial_rebalance_delay: Duration::ZERO,
            group_session_timeout_min: Duration::from_secs(6),
            group_session_timeout_max: Duration::from_secs(30 * 60),
            group_members_max: 5_000,
            offset_metadata_bytes_max: 4096,
            offsets_retention: 7 * DAY,
        }
    }
}

#[cfg(test)]
mod tests;
