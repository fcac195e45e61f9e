//! Heartbeat.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::{HeartbeatRequest, HeartbeatResponse};

use crate::coordinator::group::Credentials;
use crate::handlers::check_group_id;
use crate::node::Node;

pub(crate) fn handle(node: &Node, request: HeartbeatRequest) -> HeartbeatResponse {
    let credentials = Credentials {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let alive = check_group_id(&request.group_id)
        .and_then(|()| node.groups.heartbeat(&request.group_id, credentials));
    let code = alive.err().unwrap_or(ErrorCode::None);
    HeartbeatResponse::default().with_error_code(code.code())
}
