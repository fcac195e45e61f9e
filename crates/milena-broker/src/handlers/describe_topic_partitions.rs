//! DescribeTopicPartitions: partitions of topics, a page at a time (KIP-966).

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use milena_wire::rpc::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};

use crate::authorizer::acl::resource;
use crate::limits::PARTITIONS_PER_PAGE_MAX;
use crate::node::Node;
use crate::server::RequestContext;
use crate::topics::{Topic, check_name};

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let authorizer = &node.authorizer;
    let mut names: Vec<String> = if request.topics.is_empty() {
        let all = node.topics.all().into_iter();
        let seen = all.filter(|topic| authorizer.may_see(context, resource::TOPIC, &topic.name));
        seen.map(|topic| topic.name.to_string()).collect()
    } else {
        let asked = request.topics.iter();
        asked.map(|topic| topic.name.to_string()).collect()
    };
    names.sort_unstable();
    names.dedup();
    let (first, mut from) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.to_string(), cursor.partition_index.max(0)),
        None => (String::new(), 0),
    };
    let mut left = request
        .response_partition_limit
        .clamp(1, PARTITIONS_PER_PAGE_MAX);
    let mut response = DescribeTopicPartitionsResponse::default().with_next_cursor(None);
    for name in names.into_iter().filter(|name| *name >= first) {
        if name != first {
            from = 0;
        }
        if left == 0 {
            return response.with_next_cursor(Some(cursor(&name, from)));
        }
        if let Err(code) = authorizer.check(context, resource::TOPIC, &name) {
            response.topics.push(refused(&name, code));
            continue;
        }
        let Some(topic) = node.topics.by_name(&name) else {
            response.topics.push(absent(&name));
            continue;
        };
        let until = topic.partition_count().min(from.saturating_add(left));
        response.topics.push(page(node, &topic, from, until));
        left -= (until - from).max(0);
        if until < topic.partition_count() {
            return response.with_next_cursor(Some(cursor(&name, until)));
        }
    }
    response
}

fn page(node: &Node, topic: &Topic, from: i32, until: i32) -> DescribeTopicPartitionsResponseTopic {
    let here = vec![node.config.node_id.into()];
    let partitions = (from..until).filter_map(|index| topic.partition(index));
    let partitions = partitions.map(|partition| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(partition.index)
            .with_leader_id(node.config.node_id.into())
            .with_leader_epoch(partition.leader_epoch())
            .with_replica_nodes(here.clone())
            .with_isr_nodes(here.clone())
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    });
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
}

fn absent(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let code = match check_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    refused(name, code)
}

fn refused(name: &str, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(name)))
        .with_error_code(code.code())
}

fn cursor(topic: &str, partition: i32) -> Cursor {
    Cursor::default()
        .with_topic_name(topic_name(topic))
        .with_partition_index(partition)
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
