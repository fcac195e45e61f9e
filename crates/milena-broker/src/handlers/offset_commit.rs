//! OffsetCommit.

use std::sync::Arc;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::offset_commit_request::OffsetCommitRequestPartition;
use milena_wire::rpc::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use milena_wire::rpc::messages::{OffsetCommitRequest, OffsetCommitResponse};

use crate::authorizer::acl::resource;
use crate::clock;
use crate::coordinator::group::Credentials;
use crate::coordinator::groups::Commits;
use crate::coordinator::offsets::CommittedOffset;
use crate::handlers::{check_group_id, shared};
use crate::node::Node;
use crate::server::RequestContext;
use crate::topics::Topic;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let now_ms = clock::wall_ms();
    let mut commits = Commits::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in &request.topics {
        let topic = node.topics.by_name(&asked.name);
        let name = topic
            .as_ref()
            .map_or_else(|| shared(&asked.name), |topic| topic.name.clone());
        let allowed = node.authorizer.check(context, resource::TOPIC, &asked.name);
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let index = partition.partition_index;
            let checked = allowed.and_then(|()| check(node, topic.as_deref(), partition));
            let code = match checked {
                Ok(()) => {
                    commits.push((name.clone(), index, committed(partition, now_ms)));
                    ErrorCode::None
                }
                Err(code) => code,
            };
            let response = OffsetCommitResponsePartition::default().with_partition_index(index);
            partitions.push(response.with_error_code(code.code()));
        }
        let response = OffsetCommitResponseTopic::default().with_name(asked.name.clone());
        topics.push(response.with_partitions(partitions));
    }
    let credentials = Credentials {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let outcome = check_group_id(&request.group_id)
        .and_then(|()| node.groups.commit(&request.group_id, credentials, commits));
    if let Err(code) = outcome {
        let rows = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for row in rows.filter(|row| row.error_code == ErrorCode::None.code()) {
            row.error_code = code.code();
        }
    }
    OffsetCommitResponse::default().with_topics(topics)
}

fn check(
    node: &Node,
    topic: Option<&Topic>,
    partition: &OffsetCommitRequestPartition,
) -> Result<(), ErrorCode> {
    if topic
        .and_then(|topic| topic.partition(partition.partition_index))
        .is_none()
    {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    let metadata_bytes = partition
        .committed_metadata
        .as_ref()
        .map_or(0, |text| text.len());
    if metadata_bytes > node.config.offset_metadata_bytes_max {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    Ok(())
}

fn committed(partition: &OffsetCommitRequestPartition, now_ms: i64) -> CommittedOffset {
    CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition
            .committed_metadata
            .as_ref()
            .map_or_else(|| Arc::from(""), shared),
        committed_ms: now_ms,
    }
}
