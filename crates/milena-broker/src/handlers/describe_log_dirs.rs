//! DescribeLogDirs: how much space partitions take (KIP-113). There is one directory.

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::describe_log_dirs_request::DescribableLogDirTopic;
use milena_wire::rpc::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use milena_wire::rpc::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};

use crate::node::Node;
use crate::topics::Topic;

pub(crate) fn handle(node: &Node, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let topics: Vec<DescribeLogDirsTopic> = match &request.topics {
        None => {
            let all = node.topics.all();
            all.iter().map(|topic| describe(topic, None)).collect()
        }
        Some(asked) => {
            let found = asked.iter().filter_map(|asked: &DescribableLogDirTopic| {
                let topic = node.topics.by_name(&asked.topic)?;
                Some(describe(&topic, Some(&asked.partitions)))
            });
            found.collect()
        }
    };
    let result = DescribeLogDirsResult::default()
        .with_log_dir(log_dir(node))
        .with_topics(topics);
    DescribeLogDirsResponse::default().with_results(vec![result])
}

/// The name of the only directory.
pub(super) fn log_dir(node: &Node) -> StrBytes {
    StrBytes::from_string(node.storage.path().display().to_string())
}

fn describe(topic: &Topic, only: Option<&[i32]>) -> DescribeLogDirsTopic {
    let partitions = topic.partitions().into_iter();
    let asked = partitions.filter(|one| only.is_none_or(|only| only.contains(&one.index)));
    let partitions = asked.map(|partition| {
        let bytes = i64::try_from(partition.log.bytes()).unwrap_or(i64::MAX);
        DescribeLogDirsPartition::default()
            .with_partition_index(partition.index)
            .with_partition_size(bytes)
    });
    DescribeLogDirsTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.name.to_string())))
        .with_partitions(partitions.collect())
}
