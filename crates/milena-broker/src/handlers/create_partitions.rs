//! CreatePartitions: more partitions for a topic.

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::create_partitions_request::CreatePartitionsTopic;
use milena_wire::rpc::messages::create_partitions_response::CreatePartitionsTopicResult;
use milena_wire::rpc::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use crate::authorizer::acl::resource;
use crate::limits::PARTITIONS_PER_TOPIC_MAX;
use crate::log::validate::Refusal;
use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let results = request.topics.into_iter().map(|topic| {
        let allowed = node.authorizer.check(context, resource::TOPIC, &topic.name);
        let outcome = match allowed {
            Ok(()) => grow(node, &topic, request.validate_only),
            Err(code) => Err(Refusal::new(code, code.message())),
        };
        let result = CreatePartitionsTopicResult::default().with_name(topic.name);
        match outcome {
            Ok(()) => result.with_error_message(None),
            Err(refusal) => result
                .with_error_code(refusal.code.code())
                .with_error_message(Some(StrBytes::from_string(refusal.message))),
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn grow(node: &Node, asked: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let plainly = |code: ErrorCode| Refusal::new(code, code.message());
    let topic = node
        .topics
        .by_name(&asked.name)
        .ok_or_else(|| plainly(ErrorCode::UnknownTopicOrPartition))?;
    let present = topic.partition_count();
    if !(present + 1..=PARTITIONS_PER_TOPIC_MAX).contains(&asked.count) {
        return Err(Refusal::new(
            ErrorCode::InvalidPartitions,
            format!(
                "{} partitions; the topic has {present}, it can only get more, up to \
                 {PARTITIONS_PER_TOPIC_MAX}",
                asked.count
            ),
        ));
    }
    if validate_only {
        return Ok(());
    }
    node.topics.grow(&topic, asked.count).map_err(plainly)
}
