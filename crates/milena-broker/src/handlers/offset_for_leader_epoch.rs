//! OffsetForLeaderEpoch (KIP-320): where an epoch's records end.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use milena_wire::rpc::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use milena_wire::rpc::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::authorizer::acl::resource;
use crate::handlers::code_of;
use crate::log::epochs::EpochEnd;
use crate::node::Node;
use crate::server::RequestContext;
use crate::topics::Topic;

/// Stands for "no such epoch" and "no such offset".
const UNKNOWN: EpochEnd = EpochEnd {
    epoch: -1,
    offset: -1,
};

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|asked| {
        let topic = node.topics.by_name(&asked.topic);
        let authorizer = &node.authorizer;
        let allowed = authorizer.check(context, resource::TOPIC, &asked.topic);
        let partitions = asked.partitions.iter().map(|partition| {
            let response = EpochEndOffset::default().with_partition(partition.partition);
            match allowed.and_then(|()| end_of(topic.as_deref(), partition)) {
                Ok(end) => response
                    .with_leader_epoch(end.epoch)
                    .with_end_offset(end.offset),
                Err(code) => response.with_error_code(code.code()),
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default()
            .with_topic(asked.topic)
            .with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn end_of(topic: Option<&Topic>, asked: &OffsetForLeaderPartition) -> Result<EpochEnd, ErrorCode> {
    let partition = topic
        .and_then(|topic| topic.partition(asked.partition))
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let end = partition
        .log
        .epoch_end(asked.current_leader_epoch, asked.leader_epoch);
    match end {
        Ok(end) => Ok(end.unwrap_or(UNKNOWN)),
        Err(error) => Err(code_of(&partition, &error)),
    }
}
