//! JoinGroup.

use std::sync::Arc;
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::join_group_response::JoinGroupResponseMember;
use milena_wire::rpc::messages::{JoinGroupRequest, JoinGroupResponse};
use uuid::Uuid;

use crate::coordinator::group::{JoinRequest, Joined, Protocol};
use crate::handlers::{check_group_id, shared, to_wire};
use crate::node::Node;
use crate::server::RequestContext;
use crate::server::reply::Outcome;

/// A new member is told its id first from here on (KIP-394).
const KNOWN_IDS_SINCE: i16 = 4;
/// The protocol's name may be null, and its type is told, from here on (KIP-559).
const PROTOCOL_TYPE_SINCE: i16 = 7;
/// A returning leader can be told not to assign from here on (KIP-814).
const SKIP_SINCE: i16 = 9;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: JoinGroupRequest,
) -> Outcome<JoinGroupResponse> {
    let version = context.api_version;
    let member_id = shared(&request.member_id);
    let joined = check(node, &request).and_then(|()| {
        node.groups
            .join(&request.group_id, &join_request(context, &request))
    });
    match joined {
        Err(code) => Outcome::Ready(response(version, Joined::refused(code, member_id))),
        Ok(answer) => Outcome::later(async move {
            let refused = || Joined::refused(ErrorCode::RebalanceInProgress, member_id);
            response(version, answer.await.unwrap_or_else(|_| refused()))
        }),
    }
}

fn check(node: &Node, request: &JoinGroupRequest) -> Result<(), ErrorCode> {
    check_group_id(&request.group_id)?;
    let config = &node.config;
    let session_timeout = milliseconds(request.session_timeout_ms);
    if session_timeout < config.group_session_timeout_min
        || session_timeout > config.group_session_timeout_max
    {
        return Err(ErrorCode::InvalidSessionTimeout);
    }
    Ok(())
}

fn milliseconds(value: i32) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

fn join_request(context: &RequestContext, request: &JoinGroupRequest) -> JoinRequest {
    let session_timeout = milliseconds(request.session_timeout_ms);
    // Version 0 has one timeout for both.
    let rebalance_timeout = if context.api_version == 0 {
        session_timeout
    } else {
        milliseconds(request.rebalance_timeout_ms)
    };
    let prefix = request
        .group_instance_id
        .as_deref()
        .unwrap_or(context.client_id());
    let protocols = request.protocols.iter().map(|protocol| Protocol {
        name: shared(&protocol.name),
        // The request's buffer may be much larger than what is kept of it.
        metadata: bytes::Bytes::copy_from_slice(&protocol.metadata),
    });
    JoinRequest {
        member_id: shared(&request.member_id),
        new_member_id: Arc::from(format!("{prefix}-{}", Uuid::new_v4())),
        instance_id: request.group_instance_id.as_ref().map(shared),
        client_id: Arc::from(context.client_id()),
        client_host: Arc::from(format!("/{}", context.peer.ip().to_canonical())),
        session_timeout,
        rebalance_timeout,
        protocol_type: shared(&request.protocol_type),
        protocols: protocols.collect(),
        requires_known_id: context.api_version >= KNOWN_IDS_SINCE,
        can_skip_assignment: context.api_version >= SKIP_SINCE,
    }
}

fn response(version: i16, joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(to_wire(&member.member_id))
            .with_group_instance_id(member.instance_id.as_ref().map(to_wire))
            .with_metadata(member.metadata)
    });
    let response = JoinGroupResponse::default()
        .with_error_code(joined.error.code())
        .with_generation_id(joined.generation)
        .with_leader(to_wire(&joined.leader))
        .with_member_id(to_wire(&joined.member_id))
        .with_skip_assignment(joined.skip_assignment)
        .with_members(members.collect());
    let protocol = joined.protocol.as_ref().map(to_wire);
    if version < PROTOCOL_TYPE_SINCE {
        return response.with_protocol_name(Some(protocol.unwrap_or_default()));
    }
    response
        .with_protocol_name(protocol)
        .with_protocol_type(joined.protocol_type.as_ref().map(to_wire))
}
