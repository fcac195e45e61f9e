//! EndTxn: commit or abort.

use milena_wire::batch::control::TransactionEnd;
use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::{EndTxnRequest, EndTxnResponse};

use crate::coordinator::transaction::{EndRequest, Identity, Protocol};
use crate::node::Node;
use crate::server::RequestContext;

/// The producer gets a new epoch from here on (KIP-890).
const EPOCH_SINCE: i16 = 5;
/// Clients of a transaction coordinator know PRODUCER_FENCED from here on.
const FENCED_SINCE: i16 = 2;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: EndTxnRequest,
) -> EndTxnResponse {
    let knows_epoch = context.api_version >= EPOCH_SINCE;
    let asked = EndRequest {
        who: Identity {
            id: request.producer_id.0,
            epoch: request.producer_epoch,
        },
        end: if request.committed {
            TransactionEnd::Commit
        } else {
            TransactionEnd::Abort
        },
        protocol: if knows_epoch {
            Protocol::V2
        } else {
            Protocol::V1
        },
    };
    let response = EndTxnResponse::default();
    let id = &request.transactional_id;
    match node.transactions.end(node, id, asked) {
        Ok(identity) if knows_epoch => response
            .with_producer_id(identity.id.into())
            .with_producer_epoch(identity.epoch),
        Ok(_) => response,
        Err(code) => response.with_error_code(in_version(code, context.api_version).code()),
    }
}

/// The code as clients of this version know it.
pub(super) fn in_version(code: ErrorCode, api_version: i16) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced if api_version < FENCED_SINCE => ErrorCode::InvalidProducerEpoch,
        code => code,
    }
}
