//! OffsetDelete: takes committed offsets back (KIP-496).

use std::collections::BTreeSet;

use bytes::{Buf, Bytes};
use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use milena_wire::rpc::messages::{
    ConsumerProtocolSubscription, OffsetDeleteRequest, OffsetDeleteResponse,
};
use milena_wire::rpc::{Message, decode_message};

use crate::authorizer::acl::resource;
use crate::coordinator::group::Group;
use crate::coordinator::groups::Kind;
use crate::handlers::{check_group_id, shared};
use crate::node::Node;
use crate::server::RequestContext;

/// The protocol type of consumers, whose subscriptions we can read.
const PROTOCOL_CONSUMER: &str = "consumer";

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let response = OffsetDeleteResponse::default();
    let subscribed = match check_group(node, &request.group_id) {
        Ok(subscribed) => subscribed,
        Err(code) => return response.with_error_code(code.code()),
    };
    let mut rows = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in &request.topics {
        let topic = node.topics.by_name(&asked.name);
        let allowed = node.authorizer.check(context, resource::TOPIC, &asked.name);
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let index = partition.partition_index;
            let found = topic.as_ref().and_then(|topic| topic.partition(index));
            let code = match found {
                _ if allowed.is_err() => ErrorCode::TopicAuthorizationFailed,
                None => ErrorCode::UnknownTopicOrPartition,
                Some(_) if subscribed.contains(asked.name.as_str()) => {
                    ErrorCode::GroupSubscribedToTopic
                }
                Some(_) => {
                    rows.push((shared(&asked.name), index));
                    ErrorCode::None
                }
            };
            let row = OffsetDeleteResponsePartition::default().with_partition_index(index);
            partitions.push(row.with_error_code(code.code()));
        }
        let row = OffsetDeleteResponseTopic::default().with_name(asked.name.clone());
        topics.push(row.with_partitions(partitions));
    }
    if let Err(code) = node.groups.delete_offsets(&request.group_id, rows) {
        return response.with_error_code(code.code());
    }
    response.with_topics(topics)
}

/// The topics whose offsets are in use, or why none can be deleted.
fn check_group(node: &Node, group_id: &str) -> Result<BTreeSet<String>, ErrorCode> {
    check_group_id(group_id)?;
    node.groups
        .inspect(group_id, |kind, _| {
            let group = match kind {
                _ if !kind.is_inhabited() => return Ok(BTreeSet::new()),
                Kind::Consumer(group) => return Ok(group.subscribed_topics()),
                Kind::Classic(group) => group,
            };
            let protocol_type = group.protocol_type().map(|name| &**name);
            if protocol_type == Some(PROTOCOL_CONSUMER) {
                Ok(subscribed_topics(group))
            } else {
                Err(ErrorCode::NonEmptyGroup)
            }
        })
        .unwrap_or(Err(ErrorCode::GroupIdNotFound))
}

fn subscribed_topics(group: &Group) -> BTreeSet<String> {
    let protocol = group.protocol().map(|name| &**name);
    let members = group.members();
    members
        .filter_map(|member| read_subscription(member.metadata(protocol)))
        .flat_map(|subscription| subscription.topics)
        .map(|topic| topic.to_string())
        .collect()
}

/// A subscription that cannot be read names no topic.
fn read_subscription(mut bytes: Bytes) -> Option<ConsumerProtocolSubscription> {
    let newest = ConsumerProtocolSubscription::VERSIONS.max;
    let version = bytes.try_get_i16().ok()?.clamp(0, newest);
    decode_message(version, &mut bytes).ok()
}
