//! LeaveGroup, for one member or (since version 3) several.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::leave_group_response::MemberResponse;
use milena_wire::rpc::messages::{LeaveGroupRequest, LeaveGroupResponse};

use crate::coordinator::group::{LeaveRequest, Leaver};
use crate::handlers::check_group_id;
use crate::node::Node;
use crate::server::RequestContext;

/// Several members in one request from here on (KIP-345).
const BATCHED_SINCE: i16 = 3;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let response = LeaveGroupResponse::default();
    if let Err(code) = check_group_id(&request.group_id) {
        return response.with_error_code(code.code());
    }
    if context.api_version < BATCHED_SINCE {
        let leaver = Leaver {
            member_id: &request.member_id,
            instance_id: None,
        };
        let results = node.groups.leave(
            &request.group_id,
            &LeaveRequest {
                leavers: vec![leaver],
            },
        );
        let code = results
            .into_iter()
            .find_map(Result::err)
            .unwrap_or(ErrorCode::None);
        return response.with_error_code(code.code());
    }
    let leavers = request.members.iter().map(|member| Leaver {
        member_id: &member.member_id,
        instance_id: member.group_instance_id.as_deref(),
    });
    let leave = LeaveRequest {
        leavers: leavers.collect(),
    };
    let results = node.groups.leave(&request.group_id, &leave);
    let members = request.members.iter().zip(results).map(|(member, result)| {
        let code = result.err().unwrap_or(ErrorCode::None);
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(code.code())
    });
    response.with_members(members.collect())
}
