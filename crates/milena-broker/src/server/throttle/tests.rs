use milena_wire::rpc::{Encodable, HeaderVersion, Request, decode_response, messages};

use super::*;
use crate::security::Principal;
use crate::server::reply;

fn context(api: ApiKey, version: i16) -> RequestContext {
    let address = ([127, 0, 0, 1], 9092).into();
    RequestContext {
        api_key: api as i16,
        api_version: version,
        correlation_id: 7,
        client_id: None,
        peer: address,
        local: address,
        listener: Arc::from("PLAINTEXT"),
        principal: Principal::anonymous(),
    }
}

/// Sees that a client of each version reads the pause.
fn check<R>(api: ApiKey, told: impl Fn(&R::Response) -> i32)
where
    R: Request,
    R::Response: Encodable + HeaderVersion + Default,
{
    for version in R::VERSIONS.min..=R::VERSIONS.max {
        let context = context(api, version);
        let frame = reply::encode(&context, &R::Response::default());
        let frame = paused(&context, frame, Duration::from_millis(1234));
        assert_eq!(frame.pause, Duration::from_millis(1234));
        let mut bytes = bytes::Bytes::from(frame.chunks.concat());
        let head = FRAME_HEAD_BYTES + usize::from(api.response_header_version(version) >= 1);
        let mut body = bytes.split_off(head);
        let response: R::Response = decode_response(version, &mut body).expect("it is readable");
        if position(&context, usize::MAX).is_some() {
            assert_eq!(told(&response), 1234, "{api:?} version {version}");
        }
    }
}

macro_rules! check_each {
    ($($api:ident => $request:ident,)*) => {
        $(check::<messages::$request>(ApiKey::$api, |response| response.throttle_time_ms);)*
    };
}

#[test]
fn the_pause_stands_where_clients_read_it() {
    check_each! {
        Produce => ProduceRequest,
        Fetch => FetchRequest,
        ListOffsets => ListOffsetsRequest,
        Metadata => MetadataRequest,
        OffsetCommit => OffsetCommitRequest,
        OffsetFetch => OffsetFetchRequest,
        FindCoordinator => FindCoordinatorRequest,
        JoinGroup => JoinGroupRequest,
        Heartbeat => HeartbeatRequest,
        LeaveGroup => LeaveGroupRequest,
        SyncGroup => SyncGroupRequest,
        DescribeGroups => DescribeGroupsRequest,
        ListGroups => ListGroupsRequest,
        CreateTopics => CreateTopicsRequest,
        DeleteTopics => DeleteTopicsRequest,
        DeleteRecords => DeleteRecordsRequest,
        InitProducerId => InitProducerIdRequest,
        OffsetForLeaderEpoch => OffsetForLeaderEpochRequest,
        AddPartitionsToTxn => AddPartitionsToTxnRequest,
        AddOffsetsToTxn => AddOffsetsToTxnRequest,
        EndTxn => EndTxnRequest,
        TxnOffsetCommit => TxnOffsetCommitRequest,
        DescribeAcls => DescribeAclsRequest,
        CreateAcls => CreateAclsRequest,
        DeleteAcls => DeleteAclsRequest,
        DescribeConfigs => DescribeConfigsRequest,
        AlterConfigs => AlterConfigsRequest,
        AlterReplicaLogDirs => AlterReplicaLogDirsRequest,
        DescribeLogDirs => DescribeLogDirsRequest,
        CreatePartitions => CreatePartitionsRequest,
        DeleteGroups => DeleteGroupsRequest,
        ElectLeaders => ElectLeadersRequest,
        IncrementalAlterConfigs => IncrementalAlterConfigsRequest,
        AlterPartitionReassignments => AlterPartitionReassignmentsRequest,
        ListPartitionReassignments => ListPartitionReassignmentsRequest,
        DescribeClientQuotas => DescribeClientQuotasRequest,
        AlterClientQuotas => AlterClientQuotasRequest,
        DescribeUserScramCredentials => DescribeUserScramCredentialsRequest,
        AlterUserScramCredentials => AlterUserScramCredentialsRequest,
        DescribeCluster => DescribeClusterRequest,
        DescribeProducers => DescribeProducersRequest,
        UnregisterBroker => UnregisterBrokerRequest,
        DescribeTransactions => DescribeTransactionsRequest,
        ListTransactions => ListTransactionsRequest,
        ConsumerGroupHeartbeat => ConsumerGroupHeartbeatRequest,
        ConsumerGroupDescribe => ConsumerGroupDescribeRequest,
        ListConfigResources => ListConfigResourcesRequest,
        DescribeTopicPartitions => DescribeTopicPartitionsRequest,
    }
}
