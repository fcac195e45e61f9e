//! Answers to requests that are not served, in the shape closest to what was asked.
//!
//! Owns the rule that an unknown request gets UNSUPPORTED_VERSION and not a
//! hang-up. Nothing of such a request's body is decoded.

use bytes::BufMut;
use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::{self, ApiKey};
use milena_wire::rpc::{Encodable, HeaderVersion, VersionRange};

use super::reply::{self, FrameWriter, Reply, RequestContext, ResponseFrame};
use crate::handlers;
use crate::node::Node;

/// Answers a request whose api or version is not served.
pub(crate) fn answer(node: &Node, context: &RequestContext) -> Reply {
    tracing::warn!(
        event = "request_unsupported",
        api_key = context.api_key,
        api_version = context.api_version,
        client_id = context.client_id(),
        peer = %context.peer,
    );
    let code = ErrorCode::UnsupportedVersion;
    if context.api_key == ApiKey::ApiVersions as i16 {
        // KIP-511: version 0, so that any client can read it, with the list.
        let response =
            handlers::api_versions::in_version(&node.features, 0).with_error_code(code.code());
        return Reply::Ready(reply::encode_as(context, &response, 0));
    }
    Reply::Ready(with_top_level_code(context, code))
}

/// An otherwise empty response with the error code at its top, where it has one.
pub(crate) fn with_top_level_code(context: &RequestContext, code: ErrorCode) -> ResponseFrame {
    match ApiKey::try_from(context.api_key) {
        Ok(key) => of_known_api(context, key, code),
        Err(_) => of_unknown_api(context, code),
    }
}

/// Newer than anything we know, so flexible; nearly all responses start with the
/// throttle time and the error code.
fn of_unknown_api(context: &RequestContext, code: ErrorCode) -> ResponseFrame {
    let mut writer = FrameWriter::new(context.correlation_id, true);
    writer.buffer.put_i32(0);
    writer.buffer.put_i16(code.code());
    writer.buffer.put_u8(0);
    writer.finish()
}

fn clamp(context: &RequestContext, range: VersionRange) -> i16 {
    context.api_version.clamp(range.min, range.max)
}

fn blank<R>(context: &RequestContext, response: &R, range: VersionRange) -> ResponseFrame
where
    R: Encodable + HeaderVersion + Default,
{
    let version = clamp(context, range);
    // A version without a top-level code refuses to encode one.
    if response.compute_size(version).is_err() {
        return reply::encode_as(context, &R::default(), version);
    }
    reply::encode_as(context, response, version)
}

macro_rules! of_known_api {
    ($context:ident, $key:ident, $code:ident;
     coded: $($coded:ident => $coded_response:ident,)*;
     listed: $($listed:ident => $listed_response:ident,)*) => {
        match $key {
            $(ApiKey::$coded => {
                let mut response = messages::$coded_response::default();
                response.error_code = $code.code();
                blank($context, &response, $key.valid_versions())
            })*
            $(ApiKey::$listed => {
                blank($context, &messages::$listed_response::default(), $key.valid_versions())
            })*
            _ => of_unknown_api($context, $code),
        }
    };
}

fn of_known_api(context: &RequestContext, key: ApiKey, code: ErrorCode) -> ResponseFrame {
    of_known_api! { context, key, code;
        coded:
            Fetch => FetchResponse,
            Metadata => MetadataResponse,
            OffsetFetch => OffsetFetchResponse,
            FindCoordinator => FindCoordinatorResponse,
            JoinGroup => JoinGroupResponse,
            SyncGroup => SyncGroupResponse,
            Heartbeat => HeartbeatResponse,
            LeaveGroup => LeaveGroupResponse,
            ListGroups => ListGroupsResponse,
            SaslHandshake => SaslHandshakeResponse,
            SaslAuthenticate => SaslAuthenticateResponse,
            InitProducerId => InitProducerIdResponse,
            AddPartitionsToTxn => AddPartitionsToTxnResponse,
            AddOffsetsToTxn => AddOffsetsToTxnResponse,
            EndTxn => EndTxnResponse,
            DescribeAcls => DescribeAclsResponse,
            DescribeLogDirs => DescribeLogDirsResponse,
            DescribeClientQuotas => DescribeClientQuotasResponse,
            DescribeCluster => DescribeClusterResponse,
            DescribeQuorum => DescribeQuorumResponse,
            DescribeUserScramCredentials => DescribeUserScramCredentialsResponse,
            DescribeDelegationToken => DescribeDelegationTokenResponse,
            CreateDelegationToken => CreateDelegationTokenResponse,
            ElectLeaders => ElectLeadersResponse,
            AlterPartitionReassignments => AlterPartitionReassignmentsResponse,
            ListPartitionReassignments => ListPartitionReassignmentsResponse,
            OffsetDelete => OffsetDeleteResponse,
            UpdateFeatures => UpdateFeaturesResponse,
            ListTransactions => ListTransactionsResponse,
            ConsumerGroupHeartbeat => ConsumerGroupHeartbeatResponse,
            ShareGroupHeartbeat => ShareGroupHeartbeatResponse,
            GetTelemetrySubscriptions => GetTelemetrySubscriptionsResponse,
            PushTelemetry => PushTelemetryResponse,
            ListConfigResources => ListConfigResourcesResponse,;
        listed:
            Produce => ProduceResponse,
            ListOffsets => ListOffsetsResponse,
            OffsetCommit => OffsetCommitResponse,
            DescribeGroups => DescribeGroupsResponse,
            DeleteGroups => DeleteGroupsResponse,
            CreateTopics => CreateTopicsResponse,
            DeleteTopics => DeleteTopicsResponse,
            CreatePartitions => CreatePartitionsResponse,
            DescribeConfigs => DescribeConfigsResponse,
            AlterConfigs => AlterConfigsResponse,
            IncrementalAlterConfigs => IncrementalAlterConfigsResponse,
            DeleteRecords => DeleteRecordsResponse,
            OffsetForLeaderEpoch => OffsetForLeaderEpochResponse,
            CreateAcls => CreateAclsResponse,
            DeleteAcls => DeleteAclsResponse,
            AlterClientQuotas => AlterClientQuotasResponse,
            TxnOffsetCommit => TxnOffsetCommitResponse,
            DescribeProducers => DescribeProducersResponse,
            DescribeTransactions => DescribeTransactionsResponse,
            DescribeTopicPartitions => DescribeTopicPartitionsResponse,
            ConsumerGroupDescribe => ConsumerGroupDescribeResponse,
    }
}
