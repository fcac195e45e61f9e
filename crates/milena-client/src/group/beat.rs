//! What a member of the new protocol and its coordinator say to each other.
//!
//! Owns the request ConsumerGroupHeartbeat, the reading of its answer, and the
//! question for the names of topics; must not know what follows from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::action::{Beat, BeatCall, GroupFailure, Identity, TopicNames};
use super::coordinator::GroupCoordinator;
use crate::client::Client;
use crate::error::Error;
use crate::net::Connection;
use crate::wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use crate::wire::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use crate::wire::messages::metadata_request::MetadataRequestTopic;
use crate::wire::messages::{
    ApiKey, ConsumerGroupHeartbeatRequest, GroupId, MetadataRequest, TopicName,
};
use crate::wire::{ErrorCode, StrBytes};

/// The coordinator takes regular expressions from this version on.
const VERSION_WITH_PATTERN: i16 = 1;
/// Metadata answers questions by topic id from this version on.
const METADATA_VERSION_BY_ID: i16 = 12;

/// What of the configuration goes into requests.
#[derive(Debug, Clone)]
pub(super) struct BeatConfig {
    /// Empty for none.
    pub(super) rack: Arc<str>,
    pub(super) group_instance_id: Option<String>,
    pub(super) remote_assignor: Option<String>,
    pub(super) rebalance_timeout: Duration,
    pub(super) session_timeout: Duration,
}

/// Says what one member says.
#[derive(Clone)]
pub(super) struct BeatRequests {
    coordinator: Arc<GroupCoordinator>,
    config: BeatConfig,
}

impl BeatRequests {
    pub(super) fn new(coordinator: Arc<GroupCoordinator>, config: BeatConfig) -> Self {
        Self {
            coordinator,
            config,
        }
    }

    /// Sends a heartbeat.
    pub(super) async fn beat(&self, call: BeatCall) -> Result<Beat, GroupFailure> {
        let connection = self.connection().await?;
        let version = self.version(&connection)?;
        let has_pattern = |subscribed: &super::action::Subscribed| subscribed.pattern.is_some();
        if version < VERSION_WITH_PATTERN && call.subscribed.as_ref().is_some_and(has_pattern) {
            let problem = "the cluster cannot subscribe to a pattern for a consumer group: it needs \
                           Kafka 4.0, or group.protocol=classic";
            return Err(GroupFailure::Unusable(problem.to_owned()));
        }
        let request = self.request(call, version);
        // A heartbeat that takes longer than the session is of no use.
        let timeout = self.coordinator.request_timeout();
        let timeout = timeout.min(self.config.session_timeout);
        let response = connection.call(&request, timeout).await;
        read(response.map_err(|error| self.unreachable(&error))?)
    }

    /// Says goodbye under the epoch in `identity`.
    pub(super) async fn leave(&self, identity: &Identity) -> Result<(), GroupFailure> {
        let connection = self.connection().await?;
        self.version(&connection)?;
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(self.group_id())
            .with_member_id(StrBytes::from_string(identity.member_id.clone()))
            .with_member_epoch(identity.generation)
            .with_rebalance_timeout_ms(-1)
            .with_topic_partitions(None)
            .with_instance_id(self.instance_id());
        let timeout = self.coordinator.request_timeout();
        let response = connection.call(&request, timeout).await;
        read(response.map_err(|error| self.unreachable(&error))?).map(drop)
    }

    async fn connection(&self) -> Result<Connection, GroupFailure> {
        let connection = self.coordinator.member_connection().await;
        connection.map_err(|error| self.unreachable(&error))
    }

    fn version(&self, connection: &Connection) -> Result<i16, GroupFailure> {
        let version = connection.version_of(ApiKey::ConsumerGroupHeartbeat);
        version.ok_or_else(unsupported)
    }

    fn request(&self, call: BeatCall, version: i16) -> ConsumerGroupHeartbeatRequest {
        let mut request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(self.group_id())
            .with_member_id(StrBytes::from_string(call.member_id))
            .with_member_epoch(call.epoch)
            .with_rebalance_timeout_ms(-1)
            .with_topic_partitions(call.owned.map(by_topic))
            .with_instance_id(self.instance_id());
        if call.is_full {
            let timeout = self.config.rebalance_timeout.as_millis();
            request.rebalance_timeout_ms = i32::try_from(timeout).unwrap_or(i32::MAX);
            let assignor = self.config.remote_assignor.clone();
            request.server_assignor = assignor.map(StrBytes::from_string);
            let rack = Some(&*self.config.rack).filter(|rack| !rack.is_empty());
            request.rack_id = rack.map(|rack| StrBytes::from_string(rack.to_owned()));
        }
        let Some(subscribed) = call.subscribed else {
            return request;
        };
        let named = |topic: &Arc<str>| TopicName(StrBytes::from_string(topic.to_string()));
        request.subscribed_topic_names = Some(subscribed.topics.iter().map(named).collect());
        request.subscribed_topic_regex = match subscribed.pattern {
            Some(pattern) => Some(StrBytes::from_string(pattern.to_string())),
            None if call.takes_pattern_back && version >= VERSION_WITH_PATTERN => {
                Some(StrBytes::default())
            }
            None => None,
        };
        request
    }

    fn group_id(&self) -> GroupId {
        let group_id = self.coordinator.group_id().to_string();
        GroupId(StrBytes::from_string(group_id))
    }

    fn instance_id(&self) -> Option<StrBytes> {
        let instance_id = self.config.group_instance_id.clone();
        instance_id.map(StrBytes::from_string)
    }

    fn unreachable(&self, error: &Error) -> GroupFailure {
        tracing::debug!(
            event = "group_request_failed",
            group = %self.coordinator.group_id(),
            request = "ConsumerGroupHeartbeat",
            %error,
        );
        GroupFailure::unanswered(error)
    }
}

fn read(response: ConsumerGroupHeartbeatResponse) -> Result<Beat, GroupFailure> {
    match ErrorCode::from(response.error_code) {
        ErrorCode::None => {}
        // Known to the broker, but not switched on in the cluster.
        ErrorCode::UnsupportedVersion => return Err(unsupported()),
        code => {
            let reason = response.error_message.as_deref().unwrap_or_default();
            tracing::debug!(
                event = "group_heartbeat_refused",
                code = code.name(),
                reason
            );
            return Err(GroupFailure::Code(code));
        }
    }
    let interval = u64::try_from(response.heartbeat_interval_ms).unwrap_or(0);
    let assigned = response.assignment.map(|assignment| {
        let topics = assignment.topic_partitions.iter();
        let partitions = topics.flat_map(|topic| {
            let indexes = topic.partitions.iter();
            indexes.map(|partition| (topic.topic_id, *partition))
        });
        partitions.collect()
    });
    Ok(Beat {
        member_id: response.member_id.map(|id| id.to_string()),
        epoch: response.member_epoch,
        interval: Duration::from_millis(interval.max(1)),
        assigned,
    })
}

fn unsupported() -> GroupFailure {
    let problem = "the cluster does not support group.protocol=consumer (KIP-848): it needs Kafka \
                   4.0 with the feature group.version=1; set group.protocol=classic";
    GroupFailure::Unusable(problem.to_owned())
}

fn by_topic(partitions: BTreeSet<(Uuid, i32)>) -> Vec<TopicPartitions> {
    let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        TopicPartitions::default()
            .with_topic_id(topic)
            .with_partitions(partitions)
    });
    topics.collect()
}

/// The names of topics: from what is known, else asked for by id. What cannot be
/// found out now is left out.
pub(super) async fn name_topics(client: &Client, ids: BTreeSet<Uuid>) -> TopicNames {
    let snapshot = client.metadata().snapshot();
    let known = snapshot
        .topics
        .values()
        .filter(|topic| ids.contains(&topic.id));
    let mut names: TopicNames = known
        .map(|topic| (topic.id, Arc::clone(&topic.name)))
        .collect();
    let unknown: Vec<Uuid> = ids
        .into_iter()
        .filter(|id| !names.contains_key(id))
        .collect();
    if unknown.is_empty() {
        return names;
    }
    match ask_for_names(client, &unknown).await {
        Ok(found) => names.extend(found),
        Err(error) => tracing::debug!(event = "topic_names_failed", %error),
    }
    names
}

async fn ask_for_names(client: &Client, ids: &[Uuid]) -> Result<TopicNames, Error> {
    let connection = client.any_connection().await?;
    let (min, max) = (METADATA_VERSION_BY_ID, METADATA_VERSION_BY_ID);
    let version = connection
        .version_within(ApiKey::Metadata, min, max)
        .ok_or_else(|| connection.unsupported("Metadata by topic id"))?;
    let topics = ids.iter().map(|id| {
        MetadataRequestTopic::default()
            .with_name(None)
            .with_topic_id(*id)
    });
    let request = MetadataRequest::default()
        .with_topics(Some(topics.collect()))
        .with_allow_auto_topic_creation(false);
    let timeout = client.config().request_timeout;
    let response = connection.call_at(&request, version, timeout).await?;
    let topics = response.topics.iter();
    let named = topics
        .filter(|topic| topic.error_code == 0)
        .filter_map(|topic| {
            let name = topic.name.as_ref()?;
            Some((topic.topic_id, Arc::from(name.as_str())))
        });
    Ok(named.collect())
}
