//! DeleteRecords: moves the start of partitions (KIP-107).

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use milena_wire::rpc::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use crate::authorizer::acl::resource;
use crate::log::LogError;
use crate::node::Node;
use crate::server::RequestContext;
use crate::topics::Topic;

/// Stands for the end of the partition.
const HIGH_WATERMARK: i64 = -1;
/// There is none: the request failed.
const NO_WATERMARK: i64 = -1;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|asked| {
        let topic = node.topics.by_name(&asked.name);
        let partitions = asked.partitions.iter().map(|partition| {
            let index = partition.partition_index;
            let allowed = node.authorizer.check(context, resource::TOPIC, &asked.name);
            let outcome = allowed.and_then(|()| delete(topic.as_deref(), index, partition.offset));
            let result = DeleteRecordsPartitionResult::default().with_partition_index(index);
            match outcome {
                Ok(start) => result.with_low_watermark(start),
                Err(code) => result
                    .with_low_watermark(NO_WATERMARK)
                    .with_error_code(code.code()),
            }
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult::default()
            .with_name(asked.name)
            .with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn delete(topic: Option<&Topic>, index: i32, offset: i64) -> Result<i64, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition = topic
        .partition(index)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if !topic.config().cleanup.deletes {
        return Err(ErrorCode::PolicyViolation);
    }
    let offset = (offset != HIGH_WATERMARK).then_some(offset);
    partition
        .log
        .delete_before(offset)
        .map_err(|error| match error {
            LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            error => {
                tracing::error!(event = "delete_records_failed", topic = %topic.name, error = %error);
                ErrorCode::KafkaStorageError
            }
        })
}
