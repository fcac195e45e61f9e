//! From a request frame to the handler that answers it.
//!
//! Owns the reading of request headers, the version check, and the table of
//! handlers. Faults are injected here, around the handlers, which know nothing
//! of them.

use std::sync::Arc;

use bytes::Bytes;
use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::{self, ApiKey, Request, RequestHead, RpcError, messages as m};

use super::apis::{self, ServedApi};
use super::authentication::Authentication;
use super::connection::Ends;
use super::refuse::Refuse;
use super::reply::{self, Outcome, Reply, RequestContext};
use super::unsupported;
use crate::authorizer::gate;
use crate::faults::Fault;
use crate::handlers;
use crate::node::Node;

/// Handles one request frame (without its length prefix). An error means that the
/// frame is no request: the connection is closed.
pub(crate) fn dispatch(
    node: &Arc<Node>,
    mut frame: Bytes,
    ends: &Ends,
    authentication: &mut Authentication,
) -> Result<Reply, RpcError> {
    let head = RequestHead::decode(&mut frame)?;
    let context = RequestContext {
        api_key: head.api_key,
        api_version: head.api_version,
        correlation_id: head.correlation_id,
        client_id: head.client_id,
        peer: ends.peer,
        local: ends.local,
        listener: ends.listener.clone(),
        principal: authentication.principal().clone(),
    };
    tracing::trace!(event = "request", api_key = context.api_key, principal = %context.principal);
    let api = apis::served(context.api_key).filter(|api| api.serves(context.api_version));
    let Some(api) = api else {
        return Ok(if authentication.allows(&context) {
            unsupported::answer(node, &context)
        } else {
            Reply::Disconnect
        });
    };
    if let Some(reply) = authentication.answer(node, &context, &frame)? {
        return Ok(reply);
    }
    let fault = node.faults.strike(context.api_key);
    match fault {
        Some(Fault::Disconnect) => return Ok(Reply::Disconnect),
        Some(Fault::Fail(code)) => return refuse(api, &context, frame, code),
        _ => {}
    }
    if let Some(code) = gate::refusal(node, &context, &frame) {
        return refuse(api, &context, frame, code);
    }
    let reply = handle(node, api, &context, frame)?;
    Ok(match fault {
        Some(Fault::DropResponse) => Reply::Nothing,
        Some(Fault::DisconnectAfter) => Reply::Disconnect,
        Some(Fault::Delay(delay)) => delayed(reply, delay),
        _ => reply,
    })
}

fn delayed(reply: Reply, delay: std::time::Duration) -> Reply {
    match reply {
        Reply::Ready(frame) => Reply::Later(Box::pin(async move {
            tokio::time::sleep(delay).await;
            frame
        })),
        Reply::Later(frame) => Reply::Later(Box::pin(async move {
            tokio::time::sleep(delay).await;
            frame.await
        })),
        other => other,
    }
}

fn handle(
    node: &Arc<Node>,
    api: ServedApi,
    context: &RequestContext,
    body: Bytes,
) -> Result<Reply, RpcError> {
    use handlers as h;
    match api.key {
        ApiKey::Produce => Ok(h::produce::handle(node, context, decode(context, body)?)),
        ApiKey::Fetch => Ok(h::fetch::handle(node, context, decode(context, body)?)),
        ApiKey::ListOffsets => answer(context, body, |r| h::list_offsets::handle(node, context, r)),
        ApiKey::Metadata => answer(context, body, |r| h::metadata::handle(node, context, r)),
        ApiKey::ApiVersions => answer(context, body, |_: m::ApiVersionsRequest| {
            h::api_versions::handle(&node.features, context.api_version)
        }),
        ApiKey::CreateTopics => answer(context, body, |r| {
            h::create_topics::handle(node, context, r)
        }),
        ApiKey::DeleteTopics => answer(context, body, |r| {
            h::delete_topics::handle(node, context, r)
        }),
        ApiKey::InitProducerId => answer(context, body, |r| {
            h::init_producer_id::handle(node, context, r)
        }),
        ApiKey::FindCoordinator => answer(context, body, |r| {
            h::find_coordinator::handle(node, context, r)
        }),
        ApiKey::JoinGroup => {
            answer_later(context, body, |r| h::join_group::handle(node, context, r))
        }
        ApiKey::SyncGroup => {
            answer_later(context, body, |r| h::sync_group::handle(node, context, r))
        }
        ApiKey::Heartbeat => answer(context, body, |r| h::heartbeat::handle(node, r)),
        ApiKey::LeaveGroup => answer(context, body, |r| h::leave_group::handle(node, context, r)),
        ApiKey::OffsetCommit => answer(context, body, |r| h::offset_commit::handle(node, r)),
        ApiKey::OffsetFetch => answer(context, body, |r| h::offset_fetch::handle(node, context, r)),
        ApiKey::DescribeGroups => answer(context, body, |r| {
            h::describe_groups::handle(node, context, r)
        }),
        ApiKey::ListGroups => answer(context, body, |r| h::list_groups::handle(node, context, r)),
        ApiKey::DeleteGroups => answer(context, body, |r| h::delete_groups::handle(node, r)),
        ApiKey::CreatePartitions => answer(context, body, |r| {
            h::create_partitions::handle(node, context, r)
        }),
        ApiKey::OffsetForLeaderEpoch => answer(context, body, |r| {
            h::offset_for_leader_epoch::handle(node, context, r)
        }),
        ApiKey::AddPartitionsToTxn
        | ApiKey::AddOffsetsToTxn
        | ApiKey::EndTxn
        | ApiKey::WriteTxnMarkers
        | ApiKey::TxnOffsetCommit
        | ApiKey::DescribeProducers
        | ApiKey::DescribeTransactions
        | ApiKey::ListTransactions => handle_transactional(node, api, context, body),
        ApiKey::DescribeConfigs => answer(context, body, |r| {
            h::describe_configs::handle(node, context, r)
        }),
        ApiKey::AlterConfigs => answer(context, body, |r| {
            h::alter_configs::handle(node, context, r)
        }),
        ApiKey::IncrementalAlterConfigs => answer(context, body, |r| {
            h::incremental_alter_configs::handle(node, context, r)
        }),
        ApiKey::DeleteRecords => answer(context, body, |r| {
            h::delete_records::handle(node, context, r)
        }),
        ApiKey::DescribeLogDirs => answer(context, body, |r| h::describe_log_dirs::handle(node, r)),
        ApiKey::AlterReplicaLogDirs => answer(context, body, |r| {
            h::alter_replica_log_dirs::handle(node, r)
        }),
        ApiKey::ElectLeaders => answer(context, body, |r| h::elect_leaders::handle(node, r)),
        ApiKey::AlterPartitionReassignments => answer(context, body, |r| {
            h::alter_partition_reassignments::handle(node, r)
        }),
        ApiKey::ListPartitionReassignments => answer(context, body, |r| {
            h::list_partition_reassignments::handle(r)
        }),
        ApiKey::UnregisterBroker => {
            answer(context, body, |r| h::unregister_broker::handle(node, r))
        }
        ApiKey::UpdateFeatures => answer(context, body, |r| {
            h::update_features::handle(node, context, r)
        }),
        ApiKey::DescribeTopicPartitions => answer(context, body, |r| {
            h::describe_topic_partitions::handle(node, r)
        }),
        ApiKey::OffsetDelete => answer(context, body, |r| h::offset_delete::handle(node, r)),
        ApiKey::DescribeAcls => answer(context, body, |r| h::describe_acls::handle(node, r)),
        ApiKey::CreateAcls => answer(context, body, |r| h::create_acls::handle(node, r)),
        ApiKey::DeleteAcls => answer(context, body, |r| h::delete_acls::handle(node, r)),
        ApiKey::DescribeClientQuotas => answer(context, body, |r| {
            h::describe_client_quotas::handle(node, r)
        }),
        ApiKey::AlterClientQuotas => {
            answer(context, body, |r| h::alter_client_quotas::handle(node, r))
        }
        ApiKey::DescribeCluster => answer(context, body, |r| {
            h::describe_cluster::handle(node, context, r)
        }),
        ApiKey::ConsumerGroupHeartbeat => answer(context, body, |r| {
            h::consumer_group_heartbeat::handle(node, context, &r)
        }),
        ApiKey::ConsumerGroupDescribe => answer(context, body, |r| {
            h::consumer_group_describe::handle(node, context, r)
        }),
        ApiKey::DescribeUserScramCredentials => answer(context, body, |r| {
            h::describe_user_scram_credentials::handle(node, r)
        }),
        ApiKey::AlterUserScramCredentials => answer(context, body, |r| {
            h::alter_user_scram_credentials::handle(node, r)
        }),
        // Not reached: the table of served apis lists nothing else.
        _ => Ok(unsupported::answer(node, context)),
    }
}

/// The part of the table that is about transactions.
fn handle_transactional(
    node: &Arc<Node>,
    api: ServedApi,
    context: &RequestContext,
    body: Bytes,
) -> Result<Reply, RpcError> {
    use handlers as h;
    match api.key {
        ApiKey::AddPartitionsToTxn => answer(context, body, |r| {
            h::add_partitions_to_txn::handle(node, context, r)
        }),
        ApiKey::AddOffsetsToTxn => answer(context, body, |r| {
            h::add_offsets_to_txn::handle(node, context, r)
        }),
        ApiKey::EndTxn => answer(context, body, |r| h::end_txn::handle(node, context, r)),
        ApiKey::WriteTxnMarkers => answer(context, body, |r| h::write_txn_markers::handle(node, r)),
        ApiKey::TxnOffsetCommit => answer(context, body, |r| {
            h::txn_offset_commit::handle(node, context, r)
        }),
        ApiKey::DescribeProducers => {
            answer(context, body, |r| h::describe_producers::handle(node, r))
        }
        ApiKey::DescribeTransactions => {
            answer(context, body, |r| h::describe_transactions::handle(node, r))
        }
        ApiKey::ListTransactions => {
            answer(context, body, |r| h::list_transactions::handle(node, r))
        }
        _ => Ok(unsupported::answer(node, context)),
    }
}

/// Answers a request with an error code instead of handling it.
fn refuse(
    api: ServedApi,
    context: &RequestContext,
    body: Bytes,
    code: ErrorCode,
) -> Result<Reply, RpcError> {
    match api.key {
        ApiKey::Produce => refuse_produce(context, decode(context, body)?, code),
        ApiKey::Fetch => refuse_as::<m::FetchRequest>(context, body, code),
        ApiKey::ListOffsets => refuse_as::<m::ListOffsetsRequest>(context, body, code),
        ApiKey::OffsetForLeaderEpoch => {
            refuse_as::<m::OffsetForLeaderEpochRequest>(context, body, code)
        }
        ApiKey::Metadata => refuse_as::<m::MetadataRequest>(context, body, code),
        ApiKey::ApiVersions => refuse_as::<m::ApiVersionsRequest>(context, body, code),
        ApiKey::CreateTopics => refuse_as::<m::CreateTopicsRequest>(context, body, code),
        ApiKey::DeleteTopics => refuse_as::<m::DeleteTopicsRequest>(context, body, code),
        ApiKey::InitProducerId => refuse_as::<m::InitProducerIdRequest>(context, body, code),
        ApiKey::FindCoordinator => refuse_as::<m::FindCoordinatorRequest>(context, body, code),
        ApiKey::OffsetCommit => refuse_as::<m::OffsetCommitRequest>(context, body, code),
        ApiKey::OffsetFetch => refuse_as::<m::OffsetFetchRequest>(context, body, code),
        ApiKey::AddPartitionsToTxn => {
            refuse_as::<m::AddPartitionsToTxnRequest>(context, body, code)
        }
        ApiKey::AddOffsetsToTxn => refuse_as::<m::AddOffsetsToTxnRequest>(context, body, code),
        ApiKey::EndTxn => refuse_as::<m::EndTxnRequest>(context, body, code),
        ApiKey::TxnOffsetCommit => refuse_as::<m::TxnOffsetCommitRequest>(context, body, code),
        ApiKey::JoinGroup => refuse_as::<m::JoinGroupRequest>(context, body, code),
        ApiKey::SyncGroup => refuse_as::<m::SyncGroupRequest>(context, body, code),
        ApiKey::Heartbeat => refuse_as::<m::HeartbeatRequest>(context, body, code),
        ApiKey::LeaveGroup => refuse_as::<m::LeaveGroupRequest>(context, body, code),
        ApiKey::CreateAcls => refuse_as::<m::CreateAclsRequest>(context, body, code),
        ApiKey::DeleteAcls => refuse_as::<m::DeleteAclsRequest>(context, body, code),
        ApiKey::AlterClientQuotas => refuse_as::<m::AlterClientQuotasRequest>(context, body, code),
        ApiKey::ListGroups => refuse_as::<m::ListGroupsRequest>(context, body, code),
        ApiKey::DescribeCluster => refuse_as::<m::DescribeClusterRequest>(context, body, code),
        _ => Ok(Reply::Ready(unsupported::with_top_level_code(
            context, code,
        ))),
    }
}

fn refuse_as<R>(context: &RequestContext, body: Bytes, code: ErrorCode) -> Result<Reply, RpcError>
where
    R: Request + Refuse<Response = <R as Request>::Response>,
{
    let response = decode::<R>(context, body)?.refuse(code);
    Ok(Reply::Ready(reply::encode(context, &response)))
}

/// Without acknowledgements there is no response that could carry the code.
fn refuse_produce(
    context: &RequestContext,
    request: m::ProduceRequest,
    code: ErrorCode,
) -> Result<Reply, RpcError> {
    if request.acks == 0 {
        return Ok(Reply::Disconnect);
    }
    Ok(Reply::Ready(reply::encode(context, &request.refuse(code))))
}

fn decode<R: Request>(context: &RequestContext, mut body: Bytes) -> Result<R, RpcError> {
    rpc::decode_request(context.api_version, &mut body)
}

/// Decodes, handles at once, encodes.
fn answer<R: Request>(
    context: &RequestContext,
    body: Bytes,
    handler: impl FnOnce(R) -> R::Response,
) -> Result<Reply, RpcError> {
    let response = handler(decode(context, body)?);
    Ok(Reply::Ready(reply::encode(context, &response)))
}

/// Like [`answer`] for a handler that may have to wait.
fn answer_later<R: Request>(
    context: &RequestContext,
    body: Bytes,
    handler: impl FnOnce(R) -> Outcome<R::Response>,
) -> Result<Reply, RpcError>
where
    R::Response: 'static,
{
    let outcome = handler(decode(context, body)?);
    Ok(match outcome {
        Outcome::Ready(response) => Reply::Ready(reply::encode(context, &response)),
        Outcome::Later(response) => {
            let context = context.clone();
            Reply::Later(Box::pin(
                async move { reply::encode(&context, &response.await) },
            ))
        }
    })
}
