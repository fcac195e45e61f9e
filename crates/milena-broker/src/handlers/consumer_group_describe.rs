//! ConsumerGroupDescribe (KIP-848).

use std::collections::BTreeMap;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member as DescribedMember, TopicPartitions,
};
use milena_wire::rpc::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId, TopicName,
};
use uuid::Uuid;

use crate::authorizer::acl::resource;
use crate::coordinator::consumer_group::{ConsumerGroup, Member, PartitionSet, Pattern};
use crate::coordinator::groups::Kind;
use crate::handlers::{check_group_id, to_wire};
use crate::node::Node;
use crate::server::RequestContext;

/// Members' types are told from here on.
const MEMBER_TYPES_SINCE: i16 = 1;
/// A member of the new protocol; 0 would be a classic one in such a group.
const MEMBER_TYPE: i8 = 1;
/// The group consumes what the client may not see.
const UNSEEN_TOPICS: &str =
    "The group has described topic(s) that the client is not authorized to describe.";
/// Nobody asked for the operations that are allowed, or they are not known.
const OPERATIONS_UNKNOWN: i32 = i32::MIN;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let ids = request.group_ids.into_iter();
    let groups = ids.map(|id| describe(node, context, id));
    ConsumerGroupDescribeResponse::default().with_groups(groups.collect())
}

fn describe(node: &Node, context: &RequestContext, id: GroupId) -> DescribedGroup {
    let version = context.api_version;
    let response = DescribedGroup::default()
        .with_group_id(id.clone())
        .with_authorized_operations(OPERATIONS_UNKNOWN);
    let refuse = |response: DescribedGroup, code: ErrorCode, reason: String| {
        response
            .with_error_code(code.code())
            .with_error_message(Some(StrBytes::from_string(reason)))
    };
    let authorizer = &node.authorizer;
    let allowed = authorizer.check(context, resource::GROUP, &id);
    if let Err(code) = allowed.and_then(|()| check_group_id(&id)) {
        return response.with_error_code(code.code());
    }
    let found = node.groups.inspect(&id, |kind, _| match kind {
        Kind::Consumer(group) => {
            let topics = group.subscribed_topics();
            let mut checks = topics
                .iter()
                .map(|topic| authorizer.check(context, resource::TOPIC, topic));
            match checks.find_map(Result::err) {
                None => described(node, version, response.clone(), group),
                Some(code) => refuse(response.clone(), code, UNSEEN_TOPICS.to_owned()),
            }
        }
        Kind::Classic(_) => {
            let reason = format!("Group {} is not a consumer group.", id.as_str());
            refuse(response.clone(), ErrorCode::GroupIdNotFound, reason)
        }
    });
    found.unwrap_or_else(|| {
        let reason = format!("Group {} not found.", id.as_str());
        refuse(response, ErrorCode::GroupIdNotFound, reason)
    })
}

fn described(
    node: &Node,
    version: i16,
    response: DescribedGroup,
    group: &ConsumerGroup,
) -> DescribedGroup {
    let members = group.members().map(|member| {
        let target = group.target(&member.id);
        described_member(node, version, member, target)
    });
    response
        .with_group_state(StrBytes::from_static_str(group.state_name()))
        .with_group_epoch(group.epoch())
        .with_assignment_epoch(group.target_epoch())
        .with_assignor_name(StrBytes::from_static_str(group.assignor().name()))
        .with_members(members.collect())
}

fn described_member(
    node: &Node,
    version: i16,
    member: &Member,
    target: PartitionSet,
) -> DescribedMember {
    let names = member.names.iter();
    let described = DescribedMember::default()
        .with_member_id(to_wire(&member.id))
        .with_instance_id(member.instance_id.as_ref().map(to_wire))
        .with_rack_id(member.rack_id.as_ref().map(to_wire))
        .with_member_epoch(member.epoch)
        .with_client_id(to_wire(&member.client_id))
        .with_client_host(to_wire(&member.client_host))
        .with_subscribed_topic_names(names.map(|name| TopicName(to_wire(name))).collect())
        .with_subscribed_topic_regex(member.pattern.as_ref().map(Pattern::text).map(to_wire))
        .with_assignment(assignment(node, &member.assigned))
        .with_target_assignment(assignment(node, &target));
    if version < MEMBER_TYPES_SINCE {
        return described;
    }
    described.with_member_type(MEMBER_TYPE)
}

fn assignment(node: &Node, partitions: &PartitionSet) -> Assignment {
    let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(*topic).or_default().push(*partition);
    }
    let topics = topics.into_iter().filter_map(|(id, partitions)| {
        // A topic that was deleted has no name any more.
        let topic = node.topics.by_id(id)?;
        let named = TopicPartitions::default()
            .with_topic_id(id)
            .with_topic_name(TopicName(to_wire(&topic.name)));
        Some(named.with_partitions(partitions))
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
