//! AddOffsetsToTxn: a group's offsets are about to be part of a transaction.

use milena_wire::rpc::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use crate::coordinator::transaction::{Addition, Identity};
use crate::handlers::{check_group_id, end_txn, shared};
use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let who = Identity {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let group = shared(&request.group_id);
    let outcome = check_group_id(&group).and_then(|()| {
        let what = [Addition::Group(&group)];
        node.transactions.add(&request.transactional_id, who, what)
    });
    let response = AddOffsetsToTxnResponse::default();
    match outcome {
        Ok(()) => response,
        Err(code) => {
            response.with_error_code(end_txn::in_version(code, context.api_version).code())
        }
    }
}
