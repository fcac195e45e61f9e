//! DescribeProducers: who produces to a partition, and since when a transaction is open.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use milena_wire::rpc::messages::{DescribeProducersRequest, DescribeProducersResponse};

use crate::authorizer::acl::resource;
use crate::log::view::ActiveProducer;
use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|asked| {
        let topic = node.topics.by_name(&asked.name);
        let allowed = node.authorizer.check(context, resource::TOPIC, &asked.name);
        let partitions = asked.partition_indexes.iter().map(|index| {
            let response = PartitionResponse::default().with_partition_index(*index);
            let found = topic.as_ref().and_then(|topic| topic.partition(*index));
            match found {
                _ if allowed.is_err() => {
                    response.with_error_code(ErrorCode::TopicAuthorizationFailed.code())
                }
                None => response.with_error_code(ErrorCode::UnknownTopicOrPartition.code()),
                Some(partition) => {
                    let active = partition.log.active_producers();
                    response.with_active_producers(active.iter().map(to_row).collect())
                }
            }
        });
        let partitions = partitions.collect();
        TopicResponse::default()
            .with_name(asked.name)
            .with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn to_row(producer: &ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(producer.id.into())
        .with_producer_epoch(producer.epoch.into())
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_timestamp)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.transaction_start.unwrap_or(-1))
}
