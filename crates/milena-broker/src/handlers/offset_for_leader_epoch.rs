//! OffsetForLeaderEpoch (KIP-320): where an epoch's records end.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use milena_wire::rpc::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use milena_wire::rpc::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::handlers::check_leader_epoch;
use crate::node::Node;
use crate::topics::Topic;

pub(crate) fn handle(
    node: &Node,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|asked| {
        let topic = node.topics.by_name(&asked.topic);
        let partitions = asked.partitions.iter().map(|partition| {
            let response = EpochEndOffset::default().with_partition(partition.partition);
            match end_of(topic.as_deref(), partition) {
                Ok((epoch, end)) => response.with_leader_epoch(epoch).with_end_offset(end),
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

/// There has been one epoch only: it ends where the log does.
fn end_of(
    topic: Option<&Topic>,
    asked: &OffsetForLeaderPartition,
) -> Result<(i32, i64), ErrorCode> {
    let partition = topic
        .and_then(|topic| topic.partition(asked.partition))
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    check_leader_epoch(&partition, asked.current_leader_epoch)?;
    if asked.leader_epoch != partition.leader_epoch {
        return Ok((-1, -1));
    }
    Ok((partition.leader_epoch, partition.log.offsets().end))
}
