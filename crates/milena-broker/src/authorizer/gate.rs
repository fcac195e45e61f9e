//! What a client needs for a request as a whole. What it needs for single topics is asked where those
//! are looked at.

use bytes::Bytes;
use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages as m;
use milena_wire::rpc::{self, ApiKey, Request};

use super::acl::{CLUSTER_NAME, operation, resource};
use crate::node::Node;
use crate::server::RequestContext;

/// Requests that need something on the cluster.
const ON_CLUSTER: &[(ApiKey, i8)] = &[
    (ApiKey::AlterClientQuotas, operation::ALTER_CONFIGS),
    (ApiKey::AlterPartitionReassignments, operation::ALTER),
    (ApiKey::AlterReplicaLogDirs, operation::ALTER),
    (ApiKey::AlterUserScramCredentials, operation::ALTER),
    (ApiKey::CreateAcls, operation::ALTER),
    (ApiKey::DeleteAcls, operation::ALTER),
    (ApiKey::DescribeAcls, operation::DESCRIBE),
    (ApiKey::DescribeClientQuotas, operation::DESCRIBE_CONFIGS),
    (ApiKey::DescribeLogDirs, operation::DESCRIBE),
    (ApiKey::DescribeUserScramCredentials, operation::DESCRIBE),
    (ApiKey::ElectLeaders, operation::ALTER),
    (ApiKey::ListPartitionReassignments, operation::DESCRIBE),
    (ApiKey::UnregisterBroker, operation::ALTER),
    (ApiKey::UpdateFeatures, operation::ALTER),
];

/// Why a request is refused, if it is. `body` is what follows its header.
pub(crate) fn refusal(node: &Node, context: &RequestContext, body: &Bytes) -> Option<ErrorCode> {
    if !node.authorizer.is_enabled() {
        return None;
    }
    let key = ApiKey::try_from(context.api_key).ok()?;
    if let Some((_, operation)) = ON_CLUSTER.iter().find(|(known, _)| *known == key) {
        let is_allowed =
            node.authorizer
                .allows(context, *operation, resource::CLUSTER, CLUSTER_NAME);
        return (!is_allowed).then_some(ErrorCode::ClusterAuthorizationFailed);
    }
    let (operation, groups) = groups_of(key, context, body)?;
    let mut groups = groups.iter();
    let are_allowed = groups.all(|group| {
        node.authorizer
            .allows(context, operation, resource::GROUP, group)
    });
    (!are_allowed).then_some(ErrorCode::GroupAuthorizationFailed)
}

/// The groups that a request names, and what it needs of them.
fn groups_of(key: ApiKey, context: &RequestContext, body: &Bytes) -> Option<(i8, Vec<String>)> {
    let text = |group: &m::GroupId| group.to_string();
    let read = |group: m::GroupId| Some((operation::READ, vec![text(&group)]));
    match key {
        ApiKey::JoinGroup => read(decode::<m::JoinGroupRequest>(context, body)?.group_id),
        ApiKey::SyncGroup => read(decode::<m::SyncGroupRequest>(context, body)?.group_id),
        ApiKey::Heartbeat => read(decode::<m::HeartbeatRequest>(context, body)?.group_id),
        ApiKey::LeaveGroup => read(decode::<m::LeaveGroupRequest>(context, body)?.group_id),
        ApiKey::OffsetCommit => read(decode::<m::OffsetCommitRequest>(context, body)?.group_id),
        ApiKey::ConsumerGroupHeartbeat => {
            read(decode::<m::ConsumerGroupHeartbeatRequest>(context, body)?.group_id)
        }
        ApiKey::OffsetDelete => {
            let group = decode::<m::OffsetDeleteRequest>(context, body)?.group_id;
            Some((operation::DELETE, vec![text(&group)]))
        }
        ApiKey::OffsetFetch => {
            let request = decode::<m::OffsetFetchRequest>(context, body)?;
            let mut groups: Vec<String> = request
                .groups
                .iter()
                .map(|group| text(&group.group_id))
                .collect();
            if groups.is_empty() {
                groups.push(text(&request.group_id));
            }
            Some((operation::DESCRIBE, groups))
        }
        _ => None,
    }
}

/// What cannot be read is refused by its handler.
fn decode<R: Request>(context: &RequestContext, body: &Bytes) -> Option<R> {
    rpc::decode_request(context.api_version, &mut body.clone()).ok()
}
