//! AlterPartitionReassignments (KIP-455): with one node, a partition can only stay where it is.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::alter_partition_reassignments_request::ReassignablePartition;
use milena_wire::rpc::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use milena_wire::rpc::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};

use crate::node::Node;
use crate::topics::Topic;

pub(crate) fn handle(
    node: &Node,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let responses = request.topics.into_iter().map(|asked| {
        let topic = node.topics.by_name(&asked.name);
        let partitions = asked.partitions.iter().map(|partition| {
            let code = check(node, topic.as_deref(), partition);
            let message =
                (code != ErrorCode::None).then(|| StrBytes::from_static_str(code.message()));
            ReassignablePartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code.code())
                .with_error_message(message)
        });
        let partitions = partitions.collect();
        ReassignableTopicResponse::default()
            .with_name(asked.name)
            .with_partitions(partitions)
    });
    AlterPartitionReassignmentsResponse::default()
        .with_error_message(None)
        .with_responses(responses.collect())
}

fn check(node: &Node, topic: Option<&Topic>, asked: &ReassignablePartition) -> ErrorCode {
    let found = topic.and_then(|topic| topic.partition(asked.partition_index));
    if found.is_none() {
        return ErrorCode::UnknownTopicOrPartition;
    }
    match asked.replicas.as_deref() {
        None => ErrorCode::NoReassignmentInProgress,
        Some([only]) if only.0 == node.config.node_id => ErrorCode::None,
        Some(_) => ErrorCode::InvalidReplicaAssignment,
    }
}
