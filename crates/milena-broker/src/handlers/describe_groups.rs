//! DescribeGroups.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use milena_wire::rpc::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};

use crate::authorizer::acl::resource;
use crate::coordinator::group::{Group, Member, State};
use crate::coordinator::groups::Kind;
use crate::handlers::{check_group_id, to_wire};
use crate::node::Node;
use crate::server::RequestContext;

/// An unknown group is an error from here on (KIP-1043); before it was "Dead".
const NOT_FOUND_SINCE: i16 = 6;
/// Static members' names from here on.
const INSTANCE_IDS_SINCE: i16 = 4;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let groups = request
        .groups
        .into_iter()
        .map(|id| describe(node, context, id));
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe(node: &Node, context: &RequestContext, id: GroupId) -> DescribedGroup {
    let version = context.api_version;
    let response = DescribedGroup::default().with_group_id(id.clone());
    let allowed = node.authorizer.check(context, resource::GROUP, &id);
    if let Err(code) = allowed.and_then(|()| check_group_id(&id)) {
        return response.with_error_code(code.code());
    }
    let found = node.groups.inspect(&id, |kind, _| match kind {
        Kind::Classic(group) => Some(described(response.clone(), version, group)),
        // To those who only know classic groups there is no such group.
        Kind::Consumer(_) => None,
    });
    found.flatten().unwrap_or_else(|| {
        let response = response.with_group_state(StrBytes::from_static_str("Dead"));
        if version < NOT_FOUND_SINCE {
            return response;
        }
        let reason = format!("Group {} not found.", id.as_str());
        response
            .with_error_code(ErrorCode::GroupIdNotFound.code())
            .with_error_message(Some(StrBytes::from_string(reason)))
    })
}

fn described(response: DescribedGroup, version: i16, group: &Group) -> DescribedGroup {
    let members = group
        .members()
        .map(|member| described_member(version, group, member));
    response
        .with_group_state(StrBytes::from_static_str(group.state().name()))
        .with_protocol_type(group.protocol_type().map(to_wire).unwrap_or_default())
        .with_protocol_data(group.protocol().map(to_wire).unwrap_or_default())
        .with_members(members.collect())
}

fn described_member(version: i16, group: &Group, member: &Member) -> DescribedGroupMember {
    let response = DescribedGroupMember::default()
        .with_member_id(to_wire(&member.id))
        .with_client_id(to_wire(&member.client_id))
        .with_client_host(to_wire(&member.client_host));
    let response = if version >= INSTANCE_IDS_SINCE {
        response.with_group_instance_id(member.instance_id.as_ref().map(to_wire))
    } else {
        response
    };
    if group.state() != State::Stable {
        // What was assigned is about to change.
        return response;
    }
    response
        .with_member_metadata(member.metadata(group.protocol().map(|name| &**name)))
        .with_member_assignment(member.assignment.clone())
}
