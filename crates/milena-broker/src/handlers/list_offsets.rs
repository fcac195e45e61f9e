//! ListOffsets: the first, the last, or the first offset since a timestamp.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::list_offsets_request::ListOffsetsPartition;
use milena_wire::rpc::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use milena_wire::rpc::messages::{ListOffsetsRequest, ListOffsetsResponse};

use crate::authorizer::acl::resource;
use crate::handlers::code_of;
use crate::log::view::Isolation;
use crate::log::{LogError, TimestampedOffset};
use crate::node::Node;
use crate::server::RequestContext;
use crate::topics::{Partition, Topic};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// KIP-734.
const MAX_TIMESTAMP: i64 = -3;
/// KIP-405: the earliest offset on local disk; all our disks are local.
const EARLIEST_LOCAL: i64 = -4;
/// KIP-1005: the latest offset in remote storage; there is none.
const LATEST_TIERED: i64 = -5;

/// Responses carry the leader epoch from here on (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 4;

/// Stands for "no such offset" and "no timestamp".
const UNKNOWN: i64 = -1;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let isolation = Isolation::of(request.isolation_level);
    let topics = request.topics.into_iter().map(|asked| {
        let topic = node.topics.by_name(&asked.name);
        let partitions = asked.partitions.iter().map(|partition| {
            let response = ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_timestamp(UNKNOWN)
                .with_offset(UNKNOWN);
            let allowed = node.authorizer.check(context, resource::TOPIC, &asked.name);
            match allowed.and_then(|()| look_up(topic.as_deref(), partition, isolation)) {
                Ok((found, leader_epoch)) => response
                    .with_timestamp(found.timestamp)
                    .with_offset(found.offset)
                    .with_leader_epoch(if context.api_version >= LEADER_EPOCH_SINCE {
                        leader_epoch
                    } else {
                        -1
                    }),
                Err(code) => response.with_error_code(code.code()),
            }
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default()
            .with_name(asked.name)
            .with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn look_up(
    topic: Option<&Topic>,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<(TimestampedOffset, i32), ErrorCode> {
    let partition = topic
        .and_then(|topic| topic.partition(asked.partition_index))
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let failed = |error| code_of(&partition, &error);
    let believed = asked.current_leader_epoch;
    partition.log.check_leader_epoch(believed).map_err(failed)?;
    let found = offset_for(&partition, asked.timestamp, isolation).map_err(failed)?;
    let epoch = partition.log.epoch_at(found.offset).unwrap_or(-1);
    Ok((found, epoch))
}

fn offset_for(
    partition: &Partition,
    timestamp: i64,
    isolation: Isolation,
) -> Result<TimestampedOffset, LogError> {
    let offsets = partition.log.offsets();
    let end = offsets.end_for(isolation);
    let at = |offset| TimestampedOffset {
        offset,
        timestamp: UNKNOWN,
    };
    Ok(match timestamp {
        LATEST => at(end),
        EARLIEST | EARLIEST_LOCAL => at(offsets.start),
        LATEST_TIERED => at(UNKNOWN),
        MAX_TIMESTAMP => partition.log.newest_timestamp()?.unwrap_or(at(UNKNOWN)),
        timestamp => {
            let found = partition.log.find_timestamp(timestamp)?;
            // What is not decided yet cannot be found by who reads what is committed.
            found
                .filter(|found| found.offset < end)
                .unwrap_or(at(UNKNOWN))
        }
    })
}
