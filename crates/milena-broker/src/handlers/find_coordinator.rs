//! FindCoordinator: this node, for every group and every transactional id.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::find_coordinator_response::Coordinator;
use milena_wire::rpc::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

use crate::node::Node;
use crate::server::RequestContext;

/// Several keys in one request from here on (KIP-699).
const BATCHED_SINCE: i16 = 4;
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if request.key_type != GROUP && request.key_type != TRANSACTION {
        return refuse(context, request);
    }
    let (host, port) = node.advertised(context);
    let node_id = node.config.node_id.into();
    let response = FindCoordinatorResponse::default();
    if context.api_version < BATCHED_SINCE {
        return response
            .with_node_id(node_id)
            .with_host(StrBytes::from_string(host))
            .with_port(port.into());
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_node_id(node_id)
            .with_host(StrBytes::from_string(host.clone()))
            .with_port(port.into())
    });
    response.with_coordinators(coordinators.collect())
}

/// Share groups have no coordinator here, and waiting will not help.
fn refuse(context: &RequestContext, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let code = ErrorCode::InvalidRequest.code();
    let reason = "this broker coordinates consumer groups and transactions only";
    let nowhere = (-1).into();
    if context.api_version < BATCHED_SINCE {
        let response = FindCoordinatorResponse::default()
            .with_error_code(code)
            .with_node_id(nowhere)
            .with_port(-1);
        return if context.api_version >= 1 {
            response.with_error_message(Some(StrBytes::from_static_str(reason)))
        } else {
            response
        };
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_node_id(nowhere)
            .with_port(-1)
            .with_error_code(code)
            .with_error_message(Some(StrBytes::from_static_str(reason)))
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}
