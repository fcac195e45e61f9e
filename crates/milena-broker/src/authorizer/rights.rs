//! Which right each request needs of the resources it names: one table, with Kafka's operations, and
//! the code with which Kafka refuses each kind of resource.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::ApiKey;

use super::acl::{operation as op, resource};

/// Whether a right that is missing is the end of the request, or of one row of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The gate refuses the request before its handler sees it.
    Request,
    /// The handler asks for each resource and goes on with the others.
    Row,
}

/// What a request needs of one kind of resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Right {
    pub(crate) api: ApiKey,
    pub(crate) resource: i8,
    pub(crate) operation: i8,
    pub(crate) scope: Scope,
}

const fn whole(api: ApiKey, resource: i8, operation: i8) -> Right {
    Right {
        api,
        resource,
        operation,
        scope: Scope::Request,
    }
}

const fn row(api: ApiKey, resource: i8, operation: i8) -> Right {
    Right {
        api,
        resource,
        operation,
        scope: Scope::Row,
    }
}

/// Every right that a request needs, in the order in which Kafka asks for those of a request. What is
/// not here anybody may do, save for what can be had in two ways:
/// [`check_creation`](super::Authorizer::check_creation),
/// [`check_idempotence`](super::Authorizer::check_idempotence) and
/// [`may_list_group`](super::Authorizer::may_list_group).
const RIGHTS: &[Right] = &[
    row(ApiKey::Produce, resource::TOPIC, op::WRITE),
    whole(ApiKey::Produce, resource::TRANSACTIONAL_ID, op::WRITE),
    row(ApiKey::Fetch, resource::TOPIC, op::READ),
    row(ApiKey::ListOffsets, resource::TOPIC, op::DESCRIBE),
    row(ApiKey::Metadata, resource::TOPIC, op::DESCRIBE),
    whole(ApiKey::OffsetCommit, resource::GROUP, op::READ),
    row(ApiKey::OffsetCommit, resource::TOPIC, op::READ),
    row(ApiKey::OffsetFetch, resource::GROUP, op::DESCRIBE),
    row(ApiKey::OffsetFetch, resource::TOPIC, op::DESCRIBE),
    row(ApiKey::FindCoordinator, resource::GROUP, op::DESCRIBE),
    row(
        ApiKey::FindCoordinator,
        resource::TRANSACTIONAL_ID,
        op::DESCRIBE,
    ),
    whole(ApiKey::JoinGroup, resource::GROUP, op::READ),
    whole(ApiKey::Heartbeat, resource::GROUP, op::READ),
    whole(ApiKey::LeaveGroup, resource::GROUP, op::READ),
    whole(ApiKey::SyncGroup, resource::GROUP, op::READ),
    row(ApiKey::DescribeGroups, resource::GROUP, op::DESCRIBE),
    row(ApiKey::ListGroups, resource::GROUP, op::DESCRIBE),
    row(ApiKey::DeleteTopics, resource::TOPIC, op::DELETE),
    row(ApiKey::DeleteRecords, resource::TOPIC, op::DELETE),
    whole(
        ApiKey::InitProducerId,
        resource::TRANSACTIONAL_ID,
        op::WRITE,
    ),
    row(ApiKey::OffsetForLeaderEpoch, resource::TOPIC, op::DESCRIBE),
    whole(
        ApiKey::AddPartitionsToTxn,
        resource::CLUSTER,
        op::CLUSTER_ACTION,
    ),
    whole(
        ApiKey::AddPartitionsToTxn,
        resource::TRANSACTIONAL_ID,
        op::WRITE,
    ),
    row(ApiKey::AddPartitionsToTxn, resource::TOPIC, op::WRITE),
    whole(
        ApiKey::AddOffsetsToTxn,
        resource::TRANSACTIONAL_ID,
        op::WRITE,
    ),
    whole(ApiKey::AddOffsetsToTxn, resource::GROUP, op::READ),
    whole(ApiKey::EndTxn, resource::TRANSACTIONAL_ID, op::WRITE),
    whole(ApiKey::WriteTxnMarkers, resource::CLUSTER, op::ALTER),
    whole(
        ApiKey::TxnOffsetCommit,
        resource::TRANSACTIONAL_ID,
        op::WRITE,
    ),
    whole(ApiKey::TxnOffsetCommit, resource::GROUP, op::READ),
    row(ApiKey::TxnOffsetCommit, resource::TOPIC, op::READ),
    whole(ApiKey::DescribeAcls, resource::CLUSTER, op::DESCRIBE),
    whole(ApiKey::CreateAcls, resource::CLUSTER, op::ALTER),
    whole(ApiKey::DeleteAcls, resource::CLUSTER, op::ALTER),
    row(
        ApiKey::DescribeConfigs,
        resource::TOPIC,
        op::DESCRIBE_CONFIGS,
    ),
    row(
        ApiKey::DescribeConfigs,
        resource::CLUSTER,
        op::DESCRIBE_CONFIGS,
    ),
    row(ApiKey::AlterConfigs, resource::TOPIC, op::ALTER_CONFIGS),
    row(ApiKey::AlterConfigs, resource::CLUSTER, op::ALTER_CONFIGS),
    row(
        ApiKey::IncrementalAlterConfigs,
        resource::TOPIC,
        op::ALTER_CONFIGS,
    ),
    row(
        ApiKey::IncrementalAlterConfigs,
        resource::CLUSTER,
        op::ALTER_CONFIGS,
    ),
    whole(ApiKey::AlterReplicaLogDirs, resource::CLUSTER, op::ALTER),
    whole(ApiKey::DescribeLogDirs, resource::CLUSTER, op::DESCRIBE),
    row(ApiKey::CreatePartitions, resource::TOPIC, op::ALTER),
    row(ApiKey::DeleteGroups, resource::GROUP, op::DELETE),
    whole(ApiKey::ElectLeaders, resource::CLUSTER, op::ALTER),
    whole(
        ApiKey::AlterPartitionReassignments,
        resource::CLUSTER,
        op::ALTER,
    ),
    whole(
        ApiKey::ListPartitionReassignments,
        resource::CLUSTER,
        op::DESCRIBE,
    ),
    whole(ApiKey::OffsetDelete, resource::GROUP, op::DELETE),
    row(ApiKey::OffsetDelete, resource::TOPIC, op::READ),
    whole(
        ApiKey::DescribeClientQuotas,
        resource::CLUSTER,
        op::DESCRIBE_CONFIGS,
    ),
    whole(
        ApiKey::AlterClientQuotas,
        resource::CLUSTER,
        op::ALTER_CONFIGS,
    ),
    whole(
        ApiKey::DescribeUserScramCredentials,
        resource::CLUSTER,
        op::DESCRIBE,
    ),
    whole(
        ApiKey::AlterUserScramCredentials,
        resource::CLUSTER,
        op::ALTER,
    ),
    row(ApiKey::DescribeProducers, resource::TOPIC, op::READ),
    whole(ApiKey::UnregisterBroker, resource::CLUSTER, op::ALTER),
    whole(ApiKey::UpdateFeatures, resource::CLUSTER, op::ALTER),
    row(
        ApiKey::DescribeTransactions,
        resource::TRANSACTIONAL_ID,
        op::DESCRIBE,
    ),
    row(ApiKey::DescribeTransactions, resource::TOPIC, op::DESCRIBE),
    row(
        ApiKey::ListTransactions,
        resource::TRANSACTIONAL_ID,
        op::DESCRIBE,
    ),
    whole(ApiKey::ConsumerGroupHeartbeat, resource::GROUP, op::READ),
    whole(
        ApiKey::ConsumerGroupHeartbeat,
        resource::TOPIC,
        op::DESCRIBE,
    ),
    row(ApiKey::ConsumerGroupDescribe, resource::GROUP, op::DESCRIBE),
    row(ApiKey::ConsumerGroupDescribe, resource::TOPIC, op::DESCRIBE),
    whole(
        ApiKey::ListConfigResources,
        resource::CLUSTER,
        op::DESCRIBE_CONFIGS,
    ),
    row(
        ApiKey::DescribeTopicPartitions,
        resource::TOPIC,
        op::DESCRIBE,
    ),
];

/// The rights that a request needs.
pub(crate) fn of(api_key: i16) -> impl Iterator<Item = &'static Right> {
    RIGHTS
        .iter()
        .filter(move |right| right.api as i16 == api_key)
}

/// What it means that a right on such a resource is missing.
pub(crate) fn code(resource: i8) -> ErrorCode {
    match resource {
        resource::TOPIC => ErrorCode::TopicAuthorizationFailed,
        resource::GROUP => ErrorCode::GroupAuthorizationFailed,
        resource::TRANSACTIONAL_ID => ErrorCode::TransactionalIdAuthorizationFailed,
        _ => ErrorCode::ClusterAuthorizationFailed,
    }
}
