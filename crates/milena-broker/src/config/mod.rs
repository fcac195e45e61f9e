//! The broker's configuration: Kafka's property names in, checked values out.
//!
//! Owns every setting and its default. What a setting does is known where it is
//! used.

pub(crate) mod change;
pub(crate) mod layers;
mod listeners;
mod properties;
mod security;
pub(crate) mod topic;

use std::time::Duration;

use layers::Settings;

use crate::coordinator::consumer_group::ServerAssignor;
use crate::error::BrokerError;

pub(crate) use listeners::{ListenerAddress, Protocol, ProtocolMap};
pub use properties::property_names;
pub(crate) use properties::{DESCRIBED, apply};
pub(crate) use security::SecurityProperties;

/// Checked settings; each field names the property it comes from.
#[derive(Debug, Clone)]
pub(crate) struct BrokerConfig {
    /// What was set, as it was given; without secrets. Where topics get what they do not set
    /// themselves, see [`layers`].
    pub(crate) given: Settings,
    /// `node.id`, `broker.id`
    pub(crate) node_id: i32,
    /// `broker.rack`
    pub(crate) rack: Option<String>,
    /// `listeners`: name, host and port of each; empty where the builder says where to listen.
    pub(crate) listeners: Vec<(String, String, u16)>,
    /// `advertised.listeners`, by name; the clients of others are told the address they came to.
    pub(crate) advertised: Vec<(String, String, u16)>,
    /// `listener.security.protocol.map`
    pub(crate) protocols: ProtocolMap,
    /// Everything about TLS and SASL.
    pub(crate) security: SecurityProperties,
    /// `authorizer.class.name`
    pub(crate) has_authorizer: bool,
    /// `super.users`, such as `User:admin`
    pub(crate) super_users: Vec<String>,
    /// `allow.everyone.if.no.acl.found`
    pub(crate) allow_if_no_acl: bool,
    /// `log.cleaner.backoff.ms`; how often compacted topics are looked at.
    pub(crate) compaction_interval: Duration,
    /// `num.partitions`
    pub(crate) partitions_default: i32,
    /// `auto.create.topics.enable`
    pub(crate) auto_create_topics: bool,
    /// `delete.topic.enable`
    pub(crate) delete_topics: bool,
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
    /// `log.retention.check.interval.ms`
    pub(crate) retention_check_interval: Duration,
    /// `log.flush.interval.ms`
    pub(crate) flush_interval: Option<Duration>,
    /// `log.flush.offset.checkpoint.interval.ms`; everything is on disk this often at least.
    pub(crate) checkpoint_interval: Duration,
    /// `producer.id.expiration.ms`
    pub(crate) producer_id_expiration: Duration,
    /// `transaction.max.timeout.ms`
    pub(crate) transaction_timeout_max: Duration,
    /// `transactional.id.expiration.ms`
    pub(crate) transactional_id_expiration: Duration,
    /// `transaction.partition.verification.enable`: whether a batch must belong to a transaction that
    /// the coordinator knows. Without it transactions can hang.
    pub(crate) verifies_transactions: bool,
    /// `transaction.version`: in Apache Kafka a feature of the cluster, not a property.
    /// From 2 on clients end each transaction with an epoch of its own (KIP-890).
    pub(crate) transaction_version: i16,
    /// `group.initial.rebalance.delay.ms`
    pub(crate) group_initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`
    pub(crate) group_session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`
    pub(crate) group_session_timeout_max: Duration,
    /// `group.max.size`
    pub(crate) group_members_max: usize,
    /// `group.consumer.session.timeout.ms`
    pub(crate) consumer_session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`
    pub(crate) consumer_heartbeat_interval: Duration,
    /// `group.consumer.max.size`
    pub(crate) consumer_group_members_max: usize,
    /// `group.consumer.assignors`
    pub(crate) consumer_assignors: Vec<ServerAssignor>,
    /// `offset.metadata.max.bytes`
    pub(crate) offset_metadata_bytes_max: usize,
    /// `offsets.retention.minutes`
    pub(crate) offsets_retention: Duration,
    /// `quota.window.num`
    pub(crate) quota_windows: u32,
    /// `quota.window.size.seconds`
    pub(crate) quota_window: Duration,
}

impl Default for BrokerConfig {
    /// Apache Kafka's defaults with four exceptions. Two because this broker is made for
    /// tests: a new group does not wait for more members
    /// (`group.initial.rebalance.delay.ms` is 0, not 3000), and nothing is deleted
    /// for its age (`log.retention.ms` is −1, not seven days): test data is often old.
    /// Two because everything here has a limit: a group has 5,000 members at most
    /// (`group.max.size`), the broker 10,000 connections (`max.connections`), where Kafka
    /// has 2147483647.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        BrokerConfig {
            given: Settings::new(),
            node_id: 1,
            rack: None,
            listeners: Vec::new(),
            advertised: Vec::new(),
            protocols: ProtocolMap::new(),
            security: SecurityProperties::default(),
            has_authorizer: false,
            super_users: Vec::new(),
            allow_if_no_acl: false,
            compaction_interval: Duration::from_secs(15),
            partitions_default: 1,
            auto_create_topics: true,
            delete_topics: true,
            request_bytes_max: 100 * 1024 * 1024,
            connections_max: 10_000,
            connection_idle_max: Duration::from_secs(10 * 60),
            fetch_bytes_max: 55 * 1024 * 1024,
            fetch_sessions_max: 1_000,
            retention_check_interval: Duration::from_secs(5 * 60),
            flush_interval: None,
            checkpoint_interval: Duration::from_secs(60),
            producer_id_expiration: DAY,
            transaction_timeout_max: Duration::from_secs(15 * 60),
            transactional_id_expiration: 7 * DAY,
            verifies_transactions: true,
            transaction_version: 2,
            group_initial_rebalance_delay: Duration::ZERO,
            group_session_timeout_min: Duration::from_secs(6),
            group_session_timeout_max: Duration::from_secs(30 * 60),
            group_members_max: 5_000,
            consumer_session_timeout: Duration::from_secs(45),
            consumer_heartbeat_interval: Duration::from_secs(5),
            consumer_group_members_max: i32::MAX as usize,
            consumer_assignors: vec![ServerAssignor::Uniform, ServerAssignor::Range],
            offset_metadata_bytes_max: 4096,
            offsets_retention: 7 * DAY,
            quota_windows: 11,
            quota_window: Duration::from_secs(1),
        }
    }
}

impl BrokerConfig {
    /// What to listen on: `listeners`, else the builder's `listen`.
    pub(crate) fn listener_addresses(
        &self,
        listen: &str,
    ) -> Result<Vec<ListenerAddress>, BrokerError> {
        let invalid = |reason| BrokerError::InvalidAddress {
            address: listen.to_owned(),
            reason,
        };
        let entries = match self.listeners.as_slice() {
            [] => &listeners::listeners(listen).map_err(invalid)?,
            configured => configured,
        };
        listeners::with_protocols(entries, &self.protocols).map_err(invalid)
    }
}

#[cfg(test)]
mod tests;
