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
use super::throttle::Meter;
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
    if authentication.expects_bare() {
        return Ok(authentication.answer_bare(node, ends.peer, &frame));
    }
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
    let meter = Meter::start(node, frame.len());
    let reply = handle(node, api, &context, frame)?;
    let reply = match meter {
        Some(meter) => meter.stop(node, &context, reply),
        None => reply,
    };
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

/// Matches a request to its handler: `later` ones may have to wait, `reply` ones build their reply
/// themselves; the others answer at once, in `client` knowing who asks.
macro_rules! handlers_table {
    ($node:ident, $context:ident, $api:ident, $body:ident;
     reply: $($reply:ident => $reply_handler:ident,)*;
     later: $($later:ident => $later_handler:ident,)*;
     client: $($client:ident => $client_handler:ident,)*;
     plain: $($plain:ident => $plain_handler:ident,)*) => {
        match $api.key {
            $(ApiKey::$reply => {
                let request = decode($context, $body)?;
                Ok(handlers::$reply_handler::handle($node, $context, request))
            })*
            $(ApiKey::$later => answer_later($context, $body, |request| {
                handlers::$later_handler::handle($node, $context, request)
            }),)*
            $(ApiKey::$client => answer($context, $body, |request| {
                handlers::$client_handler::handle($node, $context, request)
            }),)*
            $(ApiKey::$plain => answer($context, $body, |request| {
                handlers::$plain_handler::handle($node, request)
            }),)*
            // Not reached: the table of served apis lists nothing else.
            _ => Ok(unsupported::answer($node, $context)),
        }
    };
}

fn handle(
    node: &Arc<Node>,
    api: ServedApi,
    context: &RequestContext,
    body: Bytes,
) -> Result<Reply, RpcError> {
    handlers_table! { node, context, api, body;
        reply:
            Produce => produce,
            Fetch => fetch,;
        later:
            JoinGroup => join_group,
            SyncGroup => sync_group,;
        client:
            AddOffsetsToTxn => add_offsets_to_txn,
            AddPartitionsToTxn => add_partitions_to_txn,
            AlterConfigs => alter_configs,
            ApiVersions => api_versions,
            ConsumerGroupDescribe => consumer_group_describe,
            ConsumerGroupHeartbeat => consumer_group_heartbeat,
            CreatePartitions => create_partitions,
            CreateTopics => create_topics,
            DeleteGroups => delete_groups,
            DeleteRecords => delete_records,
            DeleteTopics => delete_topics,
            DescribeCluster => describe_cluster,
            DescribeConfigs => describe_configs,
            DescribeGroups => describe_groups,
            DescribeProducers => describe_producers,
            DescribeTopicPartitions => describe_topic_partitions,
            DescribeTransactions => describe_transactions,
            EndTxn => end_txn,
            FindCoordinator => find_coordinator,
            IncrementalAlterConfigs => incremental_alter_configs,
            InitProducerId => init_producer_id,
            LeaveGroup => leave_group,
            ListConfigResources => list_config_resources,
            ListGroups => list_groups,
            ListOffsets => list_offsets,
            ListTransactions => list_transactions,
            Metadata => metadata,
            OffsetCommit => offset_commit,
            OffsetDelete => offset_delete,
            OffsetFetch => offset_fetch,
            OffsetForLeaderEpoch => offset_for_leader_epoch,
            TxnOffsetCommit => txn_offset_commit,
            UpdateFeatures => update_features,;
        plain:
            AlterClientQuotas => alter_client_quotas,
            AlterPartitionReassignments => alter_partition_reassignments,
            AlterReplicaLogDirs => alter_replica_log_dirs,
            AlterUserScramCredentials => alter_user_scram_credentials,
            CreateAcls => create_acls,
            DeleteAcls => delete_acls,
            DescribeAcls => describe_acls,
            DescribeClientQuotas => describe_client_quotas,
            DescribeLogDirs => describe_log_dirs,
            DescribeUserScramCredentials => describe_user_scram_credentials,
            ElectLeaders => elect_leaders,
            Heartbeat => heartbeat,
            ListPartitionReassignments => list_partition_reassignments,
            UnregisterBroker => unregister_broker,
            WriteTxnMarkers => write_txn_markers,
    }
}

/// Answers a request with an error code instead of handling it.
fn refuse(
    api: ServedApi,
    context: &RequestContext,
    body: Bytes,
    code: ErrorCode,
) -> Result<Reply, RpcError> {
    macro_rules! refusals {
        ($($key:ident => $request:ident,)*) => {
            match api.key {
                ApiKey::Produce => refuse_produce(context, decode(context, body)?, code),
                $(ApiKey::$key => refuse_as::<m::$request>(context, body, code),)*
                _ => Ok(Reply::Ready(unsupported::with_top_level_code(context, code))),
            }
        };
    }
    refusals! {
        AddOffsetsToTxn => AddOffsetsToTxnRequest,
        AddPartitionsToTxn => AddPartitionsToTxnRequest,
        AlterClientQuotas => AlterClientQuotasRequest,
        AlterReplicaLogDirs => AlterReplicaLogDirsRequest,
        AlterUserScramCredentials => AlterUserScramCredentialsRequest,
        ApiVersions => ApiVersionsRequest,
        CreateAcls => CreateAclsRequest,
        CreateTopics => CreateTopicsRequest,
        DeleteAcls => DeleteAclsRequest,
        DeleteTopics => DeleteTopicsRequest,
        DescribeCluster => DescribeClusterRequest,
        EndTxn => EndTxnRequest,
        Fetch => FetchRequest,
        FindCoordinator => FindCoordinatorRequest,
        Heartbeat => HeartbeatRequest,
        InitProducerId => InitProducerIdRequest,
        JoinGroup => JoinGroupRequest,
        LeaveGroup => LeaveGroupRequest,
        ListGroups => ListGroupsRequest,
        ListOffsets => ListOffsetsRequest,
        Metadata => MetadataRequest,
        OffsetCommit => OffsetCommitRequest,
        OffsetFetch => OffsetFetchRequest,
        OffsetForLeaderEpoch => OffsetForLeaderEpochRequest,
        SyncGroup => SyncGroupRequest,
        TxnOffsetCommit => TxnOffsetCommitRequest,
        UnregisterBroker => UnregisterBrokerRequest,
        WriteTxnMarkers => WriteTxnMarkersRequest,
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
