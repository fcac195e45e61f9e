//! FindCoordinator: this node, for every group and every transactional id.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::find_coordinator_response::Coordinator;
use milena_wire::rpc::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

use crate::authorizer::acl::resource;
use crate::node::Node;
use crate::server::RequestContext;

/// Several keys in one request from here on (KIP-699).
const BATCHED_SINCE: i16 = 4;
/// Errors come with a sentence from here on.
const ERROR_MESSAGES_SINCE: i16 = 1;
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let (host, port) = node.advertised(context);
    let host = StrBytes::from_string(host);
    let find = |key: &StrBytes| {
        let coordinator = Coordinator::default().with_key(key.clone());
        match check(node, context, request.key_type, key) {
            Ok(()) => coordinator
                .with_node_id(node.config.node_id.into())
                .with_host(host.clone())
                .with_port(port.into()),
            Err((code, reason)) => coordinator
                .with_node_id((-1).into())
                .with_port(-1)
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_static_str(reason))),
        }
    };
    let response = FindCoordinatorResponse::default();
    if context.api_version >= BATCHED_SINCE {
        let coordinators = request.coordinator_keys.iter().map(find);
        return response.with_coordinators(coordinators.collect());
    }
    let found = find(&request.key);
    let response = response
        .with_error_code(found.error_code)
        .with_node_id(found.node_id)
        .with_host(found.host)
        .with_port(found.port);
    if context.api_version < ERROR_MESSAGES_SINCE {
        return response;
    }
    response.with_error_message(found.error_message)
}

/// Whether the client may know who coordinates this, if anybody does.
fn check(
    node: &Node,
    context: &RequestContext,
    key_type: i8,
    key: &StrBytes,
) -> Result<(), (ErrorCode, &'static str)> {
    let resource = match key_type {
        GROUP => resource::GROUP,
        TRANSACTION => resource::TRANSACTIONAL_ID,
        // Share groups have no coordinator here, and waiting will not help.
        _ => {
            let reason = "this broker coordinates consumer groups and transactions only";
            return Err((ErrorCode::InvalidRequest, reason));
        }
    };
    let checked = node.authorizer.check(context, resource, key);
    checked.map_err(|code| (code, code.message()))
}
