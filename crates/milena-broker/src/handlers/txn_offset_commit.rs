//! TxnOffsetCommit: offsets that count once their transaction is committed.

use std::sync::Arc;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use milena_wire::rpc::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use milena_wire::rpc::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use crate::authorizer::acl::resource;
use crate::clock;
use crate::coordinator::group::Credentials;
use crate::coordinator::groups::Commits;
use crate::coordinator::offsets::CommittedOffset;
use crate::coordinator::transaction::Identity;
use crate::coordinator::transactions::Registration;
use crate::handlers::{check_group_id, shared};
use crate::node::Node;
use crate::server::RequestContext;

/// The group need not have been added before from here on (KIP-890).
const IMPLICIT_SINCE: i16 = 5;
/// TRANSACTION_ABORTABLE is understood from here on.
const ABORTABLE_SINCE: i16 = 4;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let now_ms = clock::wall_ms();
    let mut commits = Commits::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in &request.topics {
        let topic = node.topics.by_name(&asked.name);
        let allowed = node.authorizer.check(context, resource::TOPIC, &asked.name);
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let index = partition.partition_index;
            let found = topic.as_ref().and_then(|topic| topic.partition(index));
            let metadata = partition.committed_metadata.as_ref();
            let metadata_bytes = metadata.map_or(0, |text| text.len());
            let code = match found {
                _ if allowed.is_err() => ErrorCode::TopicAuthorizationFailed,
                None => ErrorCode::UnknownTopicOrPartition,
                Some(_) if metadata_bytes > node.config.offset_metadata_bytes_max => {
                    ErrorCode::OffsetMetadataTooLarge
                }
                Some(found) => {
                    commits.push((found.topic.clone(), index, committed(partition, now_ms)));
                    ErrorCode::None
                }
            };
            let response = TxnOffsetCommitResponsePartition::default().with_partition_index(index);
            partitions.push(response.with_error_code(code.code()));
        }
        let response = TxnOffsetCommitResponseTopic::default().with_name(asked.name.clone());
        topics.push(response.with_partitions(partitions));
    }
    if let Err(code) = store(node, context.api_version, &request, commits) {
        let rows = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for row in rows.filter(|row| row.error_code == ErrorCode::None.code()) {
            row.error_code = code.code();
        }
    }
    TxnOffsetCommitResponse::default().with_topics(topics)
}

fn store(
    node: &Node,
    api_version: i16,
    request: &TxnOffsetCommitRequest,
    commits: Commits,
) -> Result<(), ErrorCode> {
    check_group_id(&request.group_id)?;
    let who = Identity {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let credentials = Credentials {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let registration = if api_version >= IMPLICIT_SINCE {
        Registration::Implicit
    } else {
        Registration::Explicit
    };
    let group = shared(&request.group_id);
    let store = || {
        node.groups
            .commit_pending(&group, credentials, who.id, commits)
    };
    let id = &request.transactional_id;
    let stored = node
        .transactions
        .commit_offsets(id, who, &group, registration, store);
    stored.map_err(|code| match code {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if api_version < ABORTABLE_SINCE => {
            ErrorCode::InvalidTxnState
        }
        code => code,
    })
}

fn committed(partition: &TxnOffsetCommitRequestPartition, now_ms: i64) -> CommittedOffset {
    let metadata = partition.committed_metadata.as_ref();
    CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: metadata.map_or_else(|| Arc::from(""), |text: &StrBytes| shared(text)),
        committed_ms: now_ms,
    }
}
