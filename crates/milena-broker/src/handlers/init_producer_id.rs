//! InitProducerId: an identity for an idempotent or a transactional producer.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::coordinator::transaction::{Identity, InitRequest};
use crate::node::Node;
use crate::server::RequestContext;

/// From here on PRODUCER_FENCED is understood (KIP-588).
const FENCED_SINCE: i16 = 4;

/// Without a transactional id every request gets a new id with epoch 0, as in Apache
/// Kafka: only that ties a producer to its former self.
pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let outcome = match &request.transactional_id {
        None => node
            .authorizer
            .check_idempotence(context)
            .and_then(|()| fresh(node)),
        Some(id) => of_transactional_id(node, id, &request),
    };
    let response = InitProducerIdResponse::default();
    match outcome {
        Ok(identity) => response
            .with_producer_id(identity.id.into())
            .with_producer_epoch(identity.epoch),
        Err(code) => {
            let is_known = context.api_version >= FENCED_SINCE;
            let code = match code {
                ErrorCode::ProducerFenced if !is_known => ErrorCode::InvalidProducerEpoch,
                code => code,
            };
            response
                .with_error_code(code.code())
                .with_producer_id((-1).into())
                .with_producer_epoch(-1)
        }
    }
}

fn fresh(node: &Node) -> Result<Identity, ErrorCode> {
    match node.storage.next_producer_id() {
        Ok(id) => Ok(Identity { id, epoch: 0 }),
        Err(error) => {
            tracing::error!(event = "producer_id_not_saved", error = %error);
            Err(ErrorCode::KafkaStorageError)
        }
    }
}

fn of_transactional_id(
    node: &Node,
    id: &str,
    request: &InitProducerIdRequest,
) -> Result<Identity, ErrorCode> {
    if id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    let timeout_ms = request.transaction_timeout_ms;
    let timeout_ms_max = node.config.transaction_timeout_max.as_millis();
    if timeout_ms <= 0 || u128::from(timeout_ms.unsigned_abs()) > timeout_ms_max {
        return Err(ErrorCode::InvalidTransactionTimeout);
    }
    let current = match (request.producer_id.0, request.producer_epoch) {
        (-1, -1) => None,
        (id, epoch) if id >= 0 && epoch >= 0 => Some(Identity { id, epoch }),
        _ => return Err(ErrorCode::InvalidRequest),
    };
    let request = InitRequest {
        timeout_ms,
        current,
    };
    node.transactions.init(node, id, request)
}
