//! UnregisterBroker (KIP-631): the only broker stays.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::node::Node;

pub(crate) fn handle(node: &Node, request: UnregisterBrokerRequest) -> UnregisterBrokerResponse {
    let (code, reason) = if request.broker_id.0 == node.config.node_id {
        let reason = "the only broker cannot be unregistered".to_owned();
        (ErrorCode::InvalidRequest, reason)
    } else {
        let reason = format!(
            "Broker ID {} is not currently registered",
            request.broker_id.0
        );
        (ErrorCode::BrokerIdNotRegistered, reason)
    };
    UnregisterBrokerResponse::default()
        .with_error_code(code.code())
        .with_error_message(Some(StrBytes::from_string(reason)))
}
