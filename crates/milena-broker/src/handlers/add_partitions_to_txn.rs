//! AddPartitionsToTxn: of one transaction from clients, of many from brokers (KIP-890).

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use milena_wire::rpc::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use milena_wire::rpc::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use crate::authorizer::acl::resource;
use crate::coordinator::transaction::{Addition, Identity, TopicPartition};
use crate::handlers::end_txn;
use crate::node::Node;
use crate::server::RequestContext;

/// Many transactions in one request from here on.
const BATCHED_SINCE: i16 = 4;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let version = context.api_version;
    let response = AddPartitionsToTxnResponse::default();
    if version < BATCHED_SINCE {
        let who = Identity {
            id: request.v3_and_below_producer_id.0,
            epoch: request.v3_and_below_producer_epoch,
        };
        let id = &request.v3_and_below_transactional_id;
        let topics = &request.v3_and_below_topics;
        let outcome = add(node, Some(context), id, who, topics, false);
        return response.with_results_by_topic_v3_and_below(rows(topics, &outcome, version));
    }
    let results = request.transactions.iter().map(|transaction| {
        let who = Identity {
            id: transaction.producer_id.0,
            epoch: transaction.producer_epoch,
        };
        let (id, topics) = (&transaction.transactional_id, &transaction.topics);
        let outcome = add(node, None, id, who, topics, transaction.verify_only);
        AddPartitionsToTxnResult::default()
            .with_transactional_id(id.clone())
            .with_topic_results(rows(topics, &outcome, version))
    });
    response.with_results_by_transaction(results.collect())
}

/// What became of each partition, or of all.
type Outcome = Result<Vec<ErrorCode>, ErrorCode>;

/// Adds all partitions, or none when one does not exist, or `client` may not write to it. Between
/// brokers there is no client.
fn add(
    node: &Node,
    client: Option<&RequestContext>,
    id: &str,
    who: Identity,
    topics: &[AddPartitionsToTxnTopic],
    verify_only: bool,
) -> Outcome {
    if id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    let mut partitions: Vec<TopicPartition> = Vec::new();
    let mut codes = Vec::new();
    for asked in topics {
        let topic = node.topics.by_name(&asked.name);
        let allowed = client.map_or(Ok(()), |context| {
            let authorizer = &node.authorizer;
            authorizer.check(context, resource::TOPIC, &asked.name)
        });
        for index in &asked.partitions {
            let found = topic.as_ref().and_then(|topic| topic.partition(*index));
            codes.push(match found {
                _ if allowed.is_err() => ErrorCode::TopicAuthorizationFailed,
                Some(partition) => {
                    partitions.push((partition.topic.clone(), *index));
                    ErrorCode::OperationNotAttempted
                }
                None => ErrorCode::UnknownTopicOrPartition,
            });
        }
    }
    if partitions.len() < codes.len() {
        return Ok(codes);
    }
    if verify_only {
        let verify = |partition: &TopicPartition| node.transactions.verify(id, who, partition);
        let code = |partition| verify(partition).err().unwrap_or(ErrorCode::None);
        return Ok(partitions.iter().map(code).collect());
    }
    let what = partitions.iter().map(Addition::Partition);
    node.transactions.add(id, who, what)?;
    Ok(vec![ErrorCode::None; partitions.len()])
}

fn rows(
    topics: &[AddPartitionsToTxnTopic],
    outcome: &Outcome,
    version: i16,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let mut codes = outcome.iter().flatten();
    let mut next_code = || match outcome {
        Ok(_) => codes.next().copied().unwrap_or(ErrorCode::None),
        Err(code) => *code,
    };
    let row = |topic: &AddPartitionsToTxnTopic| {
        let partitions = topic.partitions.iter().map(|index| {
            let code = end_txn::in_version(next_code(), version);
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code.code())
        });
        let partitions = partitions.collect();
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions)
    };
    topics.iter().map(row).collect()
}
