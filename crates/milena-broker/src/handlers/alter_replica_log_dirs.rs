//! AlterReplicaLogDirs: moves partitions between directories (KIP-113). There is one, so each is where
//! it can be.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use milena_wire::rpc::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};

use super::describe_log_dirs::log_dir;
use crate::node::Node;

pub(crate) fn handle(
    node: &Node,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let present = log_dir(node);
    let mut results = Vec::new();
    for dir in request.dirs {
        let is_known = dir.path == present;
        for topic in dir.topics {
            let found = node.topics.by_name(&topic.name);
            let partitions = topic.partitions.iter().map(|index| {
                let is_there = found
                    .as_ref()
                    .is_some_and(|found| found.partition(*index).is_some());
                let code = match (is_known, is_there) {
                    (false, _) => ErrorCode::LogDirNotFound,
                    (true, false) => ErrorCode::UnknownTopicOrPartition,
                    (true, true) => ErrorCode::None,
                };
                AlterReplicaLogDirPartitionResult::default()
                    .with_partition_index(*index)
                    .with_error_code(code.code())
            });
            let partitions = partitions.collect();
            results.push(
                AlterReplicaLogDirTopicResult::default()
                    .with_topic_name(topic.name)
                    .with_partitions(partitions),
            );
        }
    }
    AlterReplicaLogDirsResponse::default().with_results(results)
}
