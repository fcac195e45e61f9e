//! Reading and storing a group's offsets: one attempt each.
//!
//! Owns the requests OffsetCommit and OffsetFetch and the reading of their
//! answers; must not know retries, generations or positions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::wire::StrBytes;
use crate::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::wire::messages::offset_fetch_response::OffsetFetchResponse;
use crate::wire::messages::{ApiKey, GroupId, OffsetCommitRequest, OffsetFetchRequest, TopicName};

use super::action::Identity;
use super::coordinator::GroupCoordinator;
use crate::consumer::OffsetAndEpoch;
use crate::error::Error;
use crate::topology::TopicPartition;
use crate::wire::ErrorCode;

/// OffsetFetch asks for a list of groups from this version on.
const FETCH_VERSION_WITH_GROUPS: i16 = 8;
/// OffsetFetch can ask to wait for open transactions from this version on.
const FETCH_VERSION_WITH_STABLE: i16 = 7;
/// What a group has committed for partitions; `None` is no offset.
pub(crate) type CommittedOffsets =
    HashMap<TopicPartition, Result<Option<OffsetAndEpoch>, ErrorCode>>;

/// A committed offset of "none".
const OFFSET_NONE: i64 = -1;

/// An offset to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OffsetToCommit {
    pub(crate) partition: TopicPartition,
    /// Of the next record to process.
    pub(crate) offset: i64,
    /// Of the last record processed; -1 when not known, which is fine
    /// (PITFALLS 12).
    pub(crate) leader_epoch: i32,
}

/// Stores `offsets`; answers with the code of each partition.
///
/// # Errors
/// When the coordinator cannot be reached or does not answer.
pub(crate) async fn commit(
    coordinator: &GroupCoordinator,
    identity: &Identity,
    group_instance_id: Option<&str>,
    offsets: &[OffsetToCommit],
) -> Result<HashMap<TopicPartition, ErrorCode>, Error> {
    let mut topics: BTreeMap<&Arc<str>, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for entry in offsets {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(entry.partition.partition)
            .with_committed_offset(entry.offset)
            .with_committed_leader_epoch(entry.leader_epoch)
            .with_committed_metadata(Some(StrBytes::from_static_str("")));
        topics
            .entry(&entry.partition.topic)
            .or_default()
            .push(partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetCommitRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions)
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(group_name(coordinator))
        .with_generation_id_or_member_epoch(identity.generation)
        .with_member_id(StrBytes::from_string(identity.member_id.clone()))
        .with_group_instance_id(group_instance_id.map(|id| StrBytes::from_string(id.to_owned())))
        .with_topics(topics.collect());
    let connection = coordinator.shared_connection().await?;
    let response = connection
        .call(&request, coordinator.request_timeout())
        .await?;
    let mut codes = HashMap::new();
    for topic in &response.topics {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        for partition in &topic.partitions {
            let key = TopicPartition::new(Arc::clone(&name), partition.partition_index);
            codes.insert(key, ErrorCode::from(partition.error_code));
        }
    }
    Ok(codes)
}

/// Reads the group's offsets of `partitions`, waiting for none: offsets of open
/// transactions answer with `UNSTABLE_OFFSET_COMMIT`. `None` is no offset.
///
/// # Errors
/// When the coordinator cannot be reached, does not answer, or refuses the
/// request as a whole.
pub(crate) async fn fetch(
    coordinator: &GroupCoordinator,
    partitions: &[TopicPartition],
) -> Result<CommittedOffsets, Error> {
    let connection = coordinator.shared_connection().await?;
    let version = connection.version_of(ApiKey::OffsetFetch).unwrap_or(1);
    let mut topics: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics
            .entry(&partition.topic)
            .or_default()
            .push(partition.partition);
    }
    let request = fetch_request(group_name(coordinator), topics, version);
    let response = connection
        .call(&request, coordinator.request_timeout())
        .await?;
    read_fetch(coordinator, response)
}

fn fetch_request(
    group_id: GroupId,
    topics: BTreeMap<&Arc<str>, Vec<i32>>,
    version: i16,
) -> OffsetFetchRequest {
    let request =
        OffsetFetchRequest::default().with_require_stable(version >= FETCH_VERSION_WITH_STABLE);
    if version >= FETCH_VERSION_WITH_GROUPS {
        let topics = topics.into_iter().map(|(topic, indexes)| {
            OffsetFetchRequestTopics::default()
                .with_name(topic_name(topic))
                .with_partition_indexes(indexes)
        });
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group_id)
            .with_topics(Some(topics.collect()));
        return request.with_groups(vec![group]);
    }
    let topics = topics.into_iter().map(|(topic, indexes)| {
        OffsetFetchRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partition_indexes(indexes)
    });
    request
        .with_group_id(group_id)
        .with_topics(Some(topics.collect()))
}

fn read_fetch(
    coordinator: &GroupCoordinator,
    response: OffsetFetchResponse,
) -> Result<CommittedOffsets, Error> {
    let mut code = ErrorCode::from(response.error_code);
    let mut rows = Vec::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            let row = (
                partition.partition_index,
                (partition.committed_offset, partition.committed_leader_epoch),
                partition.error_code,
            );
            rows.push((topic.name.as_str(), row));
        }
    }
    for group in &response.groups {
        if group.error_code != 0 {
            code = ErrorCode::from(group.error_code);
        }
        for topic in &group.topics {
            for partition in &topic.partitions {
                let row = (
                    partition.partition_index,
                    (partition.committed_offset, partition.committed_leader_epoch),
                    partition.error_code,
                );
                rows.push((topic.name.as_str(), row));
            }
        }
    }
    if code != ErrorCode::None {
        let context = format!("offsets of group {:?}", coordinator.group_id());
        return Err(Error::broker(code, context));
    }
    let offsets = rows.into_iter().map(|(topic, (index, offset, code))| {
        let result = match ErrorCode::from(code) {
            ErrorCode::None => Ok((offset.0 != OFFSET_NONE).then_some(OffsetAndEpoch {
                offset: offset.0,
                leader_epoch: offset.1,
            })),
            code => Err(code),
        };
        (TopicPartition::new(topic, index), result)
    });
    Ok(offsets.collect())
}

fn group_name(coordinator: &GroupCoordinator) -> GroupId {
    GroupId(StrBytes::from_string(coordinator.group_id().to_string()))
}

fn topic_name(topic: &Arc<str>) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_string()))
}
