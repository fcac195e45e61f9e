//! InitProducerId: an identity for an idempotent producer.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::node::Node;

/// Every request gets a new id with epoch 0, as in Apache Kafka: only a
/// transactional id ties a producer to its former self.
pub(crate) fn handle(node: &Node, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let refused = |code: ErrorCode| {
        InitProducerIdResponse::default()
            .with_error_code(code.code())
            .with_producer_id((-1).into())
            .with_producer_epoch(-1)
    };
    if request.transactional_id.is_some() {
        // Transactions are not coordinated here, and waiting will not help.
        return refused(ErrorCode::InvalidRequest);
    }
    match node.storage.next_producer_id() {
        Ok(id) => InitProducerIdResponse::default()
            .with_producer_id(id.into())
            .with_producer_epoch(0),
        Err(error) => {
            tracing::error!(event = "producer_id_not_saved", error = %error);
            refused(ErrorCode::KafkaStorageError)
        }
    }
}
