//! SyncGroup.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::{SyncGroupRequest, SyncGroupResponse};

use crate::coordinator::group::{Credentials, SyncRequest, Synced};
use crate::handlers::{check_group_id, to_wire};
use crate::node::Node;
use crate::server::RequestContext;
use crate::server::reply::Outcome;

/// Protocol type and name are checked, and told, from here on (KIP-559).
const PROTOCOL_TYPE_SINCE: i16 = 5;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: SyncGroupRequest,
) -> Outcome<SyncGroupResponse> {
    let version = context.api_version;
    let sync = SyncRequest {
        credentials: Credentials {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id,
        },
        protocol_type: request.protocol_type.as_deref(),
        protocol: request.protocol_name.as_deref(),
        assignments: request
            .assignments
            .iter()
            .map(|one| {
                (
                    &*one.member_id,
                    bytes::Bytes::copy_from_slice(&one.assignment),
                )
            })
            .collect(),
    };
    let answer =
        check_group_id(&request.group_id).and_then(|()| node.groups.sync(&request.group_id, &sync));
    match answer {
        Err(code) => Outcome::Ready(response(version, Err(code))),
        Ok(answer) => Outcome::later(async move {
            let synced = answer.await.unwrap_or(Err(ErrorCode::RebalanceInProgress));
            response(version, synced)
        }),
    }
}

fn response(version: i16, synced: Result<Synced, ErrorCode>) -> SyncGroupResponse {
    let response = SyncGroupResponse::default();
    match synced {
        Err(code) => response.with_error_code(code.code()),
        Ok(synced) if version < PROTOCOL_TYPE_SINCE => response.with_assignment(synced.assignment),
        Ok(synced) => response
            .with_protocol_type(synced.protocol_type.as_ref().map(to_wire))
            .with_protocol_name(synced.protocol.as_ref().map(to_wire))
            .with_assignment(synced.assignment),
    }
}
