//! ListPartitionReassignments (KIP-455): with one node, nothing ever moves.

use milena_wire::rpc::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::node::Node;

pub(crate) fn handle(
    _: &Node,
    _: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default().with_error_message(None)
}
