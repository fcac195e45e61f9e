//! What a share consumer and the brokers say to each other.
//!
//! Owns the requests ShareGroupHeartbeat, ShareFetch and ShareAcknowledge and the
//! reading of their answers; must not know what follows from them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::config::ShareConfig;
use super::member::{ShareBeat, ShareBeatCall, ShareFailure};
use super::session::{PartitionId, Run, SharePlan};
use crate::error::Error;
use crate::group::GroupCoordinator;
use crate::net::Connection;
use crate::wire::messages::share_acknowledge_request::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch as AcknowledgedRun,
};
use crate::wire::messages::share_acknowledge_response::ShareAcknowledgeResponse;
use crate::wire::messages::share_fetch_request::{
    AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic,
};
use crate::wire::messages::share_fetch_response::ShareFetchResponse;
use crate::wire::messages::{
    ApiKey, GroupId, ShareAcknowledgeRequest, ShareFetchRequest, ShareGroupHeartbeatRequest,
    TopicName,
};
use crate::wire::{ErrorCode, StrBytes};

/// The epoch of a member that leaves.
const EPOCH_LEAVE: i32 = -1;

/// One partition of an answer.
#[derive(Debug)]
pub(super) struct SharedPartition {
    pub(super) id: PartitionId,
    pub(super) code: ErrorCode,
    pub(super) acknowledge_code: ErrorCode,
    pub(super) records: Bytes,
    /// First and last offset, and how often they were delivered.
    pub(super) acquired: Vec<(i64, i64, i16)>,
}

/// Who speaks.
#[derive(Clone)]
pub(super) struct ShareRequests {
    pub(super) coordinator: Arc<GroupCoordinator>,
    pub(super) member_id: String,
}

impl ShareRequests {
    /// Joins, stays, or subscribes.
    pub(super) async fn heartbeat(&self, call: ShareBeatCall) -> Result<ShareBeat, ShareFailure> {
        let topics = call.topics.map(|topics| {
            let named = |topic: &Arc<str>| TopicName(StrBytes::from_string(topic.to_string()));
            topics.iter().map(named).collect()
        });
        let request = ShareGroupHeartbeatRequest::default()
            .with_group_id(self.group_id())
            .with_member_id(self.member_id())
            .with_member_epoch(call.epoch)
            .with_subscribed_topic_names(topics);
        let connection = self.connection().await?;
        let timeout = self.coordinator.request_timeout();
        let response = connection.call(&request, timeout).await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        match ErrorCode::from(response.error_code) {
            ErrorCode::None => {}
            // Known to the broker, but not switched on in the cluster.
            ErrorCode::UnsupportedVersion => return Err(unsupported()),
            code => return Err(ShareFailure::Code(code)),
        }
        let interval = u64::try_from(response.heartbeat_interval_ms).unwrap_or(0);
        Ok(ShareBeat {
            epoch: response.member_epoch,
            interval: Duration::from_millis(interval.max(1)),
            assigned: response.assignment.map(|assignment| {
                let topics = assignment.topic_partitions.iter();
                let partitions = topics.flat_map(|topic| {
                    let indexes = topic.partitions.iter();
                    indexes.map(|partition| (topic.topic_id, *partition))
                });
                partitions.collect()
            }),
        })
    }

    /// Leaves at once instead of when the session ends.
    pub(super) async fn leave(&self) {
        let call = ShareBeatCall {
            epoch: EPOCH_LEAVE,
            topics: None,
        };
        if let Err(failure) = self.heartbeat(call).await {
            tracing::debug!(event = "share_leave_failed", ?failure);
        }
    }

    /// ShareFetch, as the session has planned it.
    pub(super) fn fetch(
        &self,
        plan: &SharePlan,
        config: &ShareConfig,
        wait: Duration,
    ) -> ShareFetchRequest {
        let mut topics: BTreeMap<Uuid, BTreeMap<i32, FetchPartition>> = BTreeMap::new();
        for (topic, index) in &plan.added {
            let partition = FetchPartition::default().with_partition_index(*index);
            topics.entry(*topic).or_default().insert(*index, partition);
        }
        for ((topic, index), runs) in &plan.runs {
            let partitions = topics.entry(*topic).or_default();
            let partition = partitions
                .entry(*index)
                .or_insert_with(|| FetchPartition::default().with_partition_index(*index));
            partition.acknowledgement_batches = runs.iter().map(fetch_run).collect();
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            FetchTopic::default()
                .with_topic_id(topic)
                .with_partitions(partitions.into_values().collect())
        });
        let mut forgotten: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        for (topic, index) in &plan.forgotten {
            forgotten.entry(*topic).or_default().push(*index);
        }
        let forgotten = forgotten.into_iter().map(|(topic, partitions)| {
            ForgottenTopic::default()
                .with_topic_id(topic)
                .with_partitions(partitions)
        });
        let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
        ShareFetchRequest::default()
            .with_group_id(Some(self.group_id()))
            .with_member_id(Some(self.member_id()))
            .with_share_session_epoch(plan.epoch)
            .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(number(config.fetch_bytes_min))
            .with_max_bytes(number(config.fetch_bytes_max))
            .with_max_records(number(config.poll_records_max))
            .with_batch_size(number(config.poll_records_max))
            .with_topics(topics.collect())
            .with_forgotten_topics_data(forgotten.collect())
    }

    /// ShareAcknowledge, as the session has planned it.
    pub(super) fn acknowledge(&self, plan: &SharePlan) -> ShareAcknowledgeRequest {
        let mut topics: BTreeMap<Uuid, Vec<AcknowledgePartition>> = BTreeMap::new();
        for ((topic, index), runs) in &plan.runs {
            let partition = AcknowledgePartition::default()
                .with_partition_index(*index)
                .with_acknowledgement_batches(runs.iter().map(acknowledge_run).collect());
            topics.entry(*topic).or_default().push(partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            AcknowledgeTopic::default()
                .with_topic_id(topic)
                .with_partitions(partitions)
        });
        ShareAcknowledgeRequest::default()
            .with_group_id(Some(self.group_id()))
            .with_member_id(Some(self.member_id()))
            .with_share_session_epoch(plan.epoch)
            .with_topics(topics.collect())
    }

    async fn connection(&self) -> Result<Connection, ShareFailure> {
        let connection = self.coordinator.member_connection().await;
        let connection = connection.map_err(|error| self.unreachable(&error))?;
        match connection.version_of(ApiKey::ShareGroupHeartbeat) {
            Some(_) => Ok(connection),
            None => Err(unsupported()),
        }
    }

    fn group_id(&self) -> GroupId {
        let group_id = self.coordinator.group_id().to_string();
        GroupId(StrBytes::from_string(group_id))
    }

    fn member_id(&self) -> StrBytes {
        StrBytes::from_string(self.member_id.clone())
    }

    fn unreachable(&self, error: &Error) -> ShareFailure {
        let group = self.coordinator.group_id();
        tracing::debug!(event = "share_heartbeat_failed", %group, %error);
        match error.code().filter(|code| !code.is_retriable()) {
            Some(code) => ShareFailure::Code(code),
            None => ShareFailure::Unreachable,
        }
    }
}

/// The partitions of an answer to ShareFetch, or the code of the whole.
pub(super) fn read_fetch(response: ShareFetchResponse) -> Result<Vec<SharedPartition>, ErrorCode> {
    check(response.error_code)?;
    let mut partitions = Vec::new();
    for topic in response.responses {
        for data in topic.partitions {
            let acquired = data.acquired_records.iter();
            partitions.push(SharedPartition {
                id: (topic.topic_id, data.partition_index),
                code: ErrorCode::from(data.error_code),
                acknowledge_code: ErrorCode::from(data.acknowledge_error_code),
                records: data.records.unwrap_or_default(),
                acquired: acquired
                    .map(|run| (run.first_offset, run.last_offset, run.delivery_count))
                    .collect(),
            });
        }
    }
    Ok(partitions)
}

/// The partitions whose acknowledgements were refused, or the code of the whole.
pub(super) fn read_acknowledge(
    response: &ShareAcknowledgeResponse,
) -> Result<Vec<(PartitionId, ErrorCode)>, ErrorCode> {
    check(response.error_code)?;
    let mut refused = Vec::new();
    for topic in &response.responses {
        for data in &topic.partitions {
            let code = ErrorCode::from(data.error_code);
            if code != ErrorCode::None {
                refused.push(((topic.topic_id, data.partition_index), code));
            }
        }
    }
    Ok(refused)
}

fn check(code: i16) -> Result<(), ErrorCode> {
    match ErrorCode::from(code) {
        ErrorCode::None => Ok(()),
        code => Err(code),
    }
}

fn fetch_run(run: &Run) -> AcknowledgementBatch {
    AcknowledgementBatch::default()
        .with_first_offset(run.first)
        .with_last_offset(run.last)
        .with_acknowledge_types(vec![run.verdict as i8])
}

fn acknowledge_run(run: &Run) -> AcknowledgedRun {
    AcknowledgedRun::default()
        .with_first_offset(run.first)
        .with_last_offset(run.last)
        .with_acknowledge_types(vec![run.verdict as i8])
}

fn unsupported() -> ShareFailure {
    let problem = "the cluster does not support share groups (KIP-932): they need Kafka 4.2 or \
                   newer with the feature share.version=1";
    ShareFailure::Unusable(problem.to_owned())
}
