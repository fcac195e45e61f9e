//! ElectLeaders (KIP-183, KIP-460): with one node, each partition is led by whom it should be.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::elect_leaders_request::TopicPartitions;
use milena_wire::rpc::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use milena_wire::rpc::messages::{ElectLeadersRequest, ElectLeadersResponse};

use crate::node::Node;

pub(crate) fn handle(node: &Node, request: ElectLeadersRequest) -> ElectLeadersResponse {
    // Asked for all partitions, those that need no election are left out.
    let asked = request.topic_partitions.unwrap_or_default();
    let results = asked.into_iter().map(|asked: TopicPartitions| {
        let topic = node.topics.by_name(&asked.topic);
        let results = asked.partitions.iter().map(|index| {
            let is_there = topic
                .as_ref()
                .is_some_and(|topic| topic.partition(*index).is_some());
            let code = if is_there {
                ErrorCode::ElectionNotNeeded
            } else {
                ErrorCode::UnknownTopicOrPartition
            };
            PartitionResult::default()
                .with_partition_id(*index)
                .with_error_code(code.code())
                .with_error_message(Some(StrBytes::from_static_str(code.message())))
        });
        let results = results.collect();
        ReplicaElectionResult::default()
            .with_topic(asked.topic)
            .with_partition_result(results)
    });
    ElectLeadersResponse::default().with_replica_election_results(results.collect())
}
