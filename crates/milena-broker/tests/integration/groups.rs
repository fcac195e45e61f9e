//! Consumer groups over TCP, in old and new versions.

use milena_broker::{Broker, ErrorCode};
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::join_group_request::JoinGroupRequestProtocol;
use milena_wire::rpc::messages::leave_group_request::MemberIdentity;
use milena_wire::rpc::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use milena_wire::rpc::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use milena_wire::rpc::messages::sync_group_request::SyncGroupRequestAssignment;
use milena_wire::rpc::messages::{
    DeleteGroupsRequest, DescribeClusterRequest, DescribeGroupsRequest, FindCoordinatorRequest,
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};

use crate::client::{Client, broker, start, topic_name};

fn group_id() -> GroupId {
    GroupId(StrBytes::from_static_str("g"))
}

fn join_request(member_id: &StrBytes) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata("subscription".into());
    JoinGroupRequest::default()
        .with_group_id(group_id())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_member_id(member_id.clone())
        .with_group_instance_id(None)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol])
        .with_reason(None)
}

/// Fields that a version does not have must not be set.
fn for_version(version: i16, mut request: JoinGroupRequest) -> JoinGroupRequest {
    if version == 0 {
        request.rebalance_timeout_ms = -1;
    }
    request
}

/// Joins as the only member, with as many requests as the version takes.
async fn join(client: &mut Client, version: i16) -> JoinGroupResponse {
    let request = for_version(version, join_request(&StrBytes::default()));
    let response = client.call(version, &request).await;
    if response.error_code != ErrorCode::MemberIdRequired.code() {
        return response;
    }
    assert!(version >= 4);
    client
        .call(version, &join_request(&response.member_id))
        .await
}

pub(crate) async fn commit(
    client: &mut Client,
    version: i16,
    member: Option<(&StrBytes, i32)>,
    offset: i64,
) -> i16 {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_metadata(Some(StrBytes::from_static_str("note")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let (member_id, generation) = member.map_or((StrBytes::default(), -1), |(id, generation)| {
        (id.clone(), generation)
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id())
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member_id)
        .with_group_instance_id(None)
        .with_topics(vec![topic]);
    client.call(version, &request).await.topics[0].partitions[0].error_code
}

/// The committed offset of the topic's first partition, asked for by name and as "all".
pub(crate) async fn committed(client: &mut Client, version: i16) -> i64 {
    if version >= 8 {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(topic_name("t"))
            .with_partition_indexes(vec![0]);
        let named = OffsetFetchRequestGroup::default()
            .with_group_id(group_id())
            .with_member_id(None)
            .with_topics(Some(vec![topic]));
        let all = named.clone().with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![named, all]);
        let response = client.call(version, &request).await;
        let found: Vec<i64> = response
            .groups
            .iter()
            .flat_map(|group| &group.topics)
            .map(|topic| topic.partitions[0].committed_offset)
            .collect();
        assert!(found.len() == 1 && found[0] == -1 || found.len() == 2 && found[0] == found[1]);
        return found[0];
    }
    let topic = OffsetFetchRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(group_id())
        .with_topics(Some(vec![topic]));
    let response = client.call(version, &request).await;
    response.topics[0].partitions[0].committed_offset
}

#[tokio::test]
async fn a_member_joins_syncs_beats_commits_and_leaves_in_every_version() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    for version in 0..=9 {
        let joined = join(&mut client, version).await;
        assert_eq!(
            (joined.error_code, joined.members.len()),
            (0, 1),
            "v{version}"
        );
        assert_eq!(joined.leader, joined.member_id);
        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(joined.member_id.clone())
            .with_assignment("everything".into());
        let sync = SyncGroupRequest::default()
            .with_group_id(group_id())
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_group_instance_id(None)
            .with_assignments(vec![assignment]);
        let sync = if version >= 5 {
            sync.with_protocol_type(Some(StrBytes::from_static_str("consumer")))
                .with_protocol_name(Some(StrBytes::from_static_str("range")))
        } else {
            sync.with_protocol_type(None).with_protocol_name(None)
        };
        let synced = client.call(version.min(5), &sync).await;
        assert_eq!(
            (synced.error_code, &synced.assignment[..]),
            (0, &b"everything"[..])
        );
        let heartbeat = HeartbeatRequest::default()
            .with_group_id(group_id())
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_group_instance_id(None);
        assert_eq!(client.call(version.min(4), &heartbeat).await.error_code, 0);
        let commit_version = version.clamp(2, 9);
        let member = Some((&joined.member_id, joined.generation_id));
        let offset = 100 + i64::from(version);
        assert_eq!(commit(&mut client, commit_version, member, offset).await, 0);
        assert_eq!(committed(&mut client, version.clamp(1, 9)).await, offset);
        let leave = LeaveGroupRequest::default().with_group_id(group_id());
        if version < 3 {
            let leave = leave.with_member_id(joined.member_id.clone());
            assert_eq!(client.call(version, &leave).await.error_code, 0);
        } else {
            let member = MemberIdentity::default()
                .with_member_id(joined.member_id.clone())
                .with_group_instance_id(None)
                .with_reason(None);
            let response = client
                .call(version.min(5), &leave.with_members(vec![member]))
                .await;
            assert_eq!(response.members[0].error_code, 0);
        }
        let gone = client.call(4, &heartbeat).await.error_code;
        assert_eq!(gone, ErrorCode::UnknownMemberId.code());
    }
}

#[tokio::test]
async fn offsets_are_committed_without_members_but_not_past_them() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    assert_eq!(committed(&mut client, 9).await, -1);
    assert_eq!(commit(&mut client, 9, None, 7).await, 0);
    assert_eq!(committed(&mut client, 9).await, 7);
    let joined = join(&mut client, 9).await;
    assert_eq!(
        commit(&mut client, 9, None, 8).await,
        ErrorCode::UnknownMemberId.code()
    );
    let stale = Some((&joined.member_id, joined.generation_id - 1));
    assert_eq!(
        commit(&mut client, 9, stale, 8).await,
        ErrorCode::IllegalGeneration.code()
    );
    assert_eq!(committed(&mut client, 9).await, 7);
}

#[tokio::test]
async fn groups_are_listed_described_and_deleted() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    client.create_topic("t", 1).await;
    let describe = DescribeGroupsRequest::default().with_groups(vec![group_id()]);
    assert_eq!(
        &*client.call(5, &describe).await.groups[0].group_state,
        "Dead"
    );
    let unknown = client.call(6, &describe).await.groups[0].error_code;
    assert_eq!(unknown, ErrorCode::GroupIdNotFound.code());

    let joined = join(&mut client, 9).await;
    for version in 0..=6 {
        let described = client.call(version, &describe).await;
        assert_eq!(&*described.groups[0].group_state, "CompletingRebalance");
        assert_eq!(described.groups[0].members[0].member_id, joined.member_id);
        assert_eq!(&*described.groups[0].members[0].client_host, "/127.0.0.1");
    }
    for version in 0..=5 {
        let listed = client.call(version, &ListGroupsRequest::default()).await;
        assert_eq!(listed.groups[0].group_id, group_id());
    }
    let empty = vec![StrBytes::from_static_str("Empty")];
    let listed = client
        .call(4, &ListGroupsRequest::default().with_states_filter(empty))
        .await;
    assert!(listed.groups.is_empty());

    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group_id()]);
    let refused = client.call(2, &delete).await.results[0].error_code;
    assert_eq!(refused, ErrorCode::NonEmptyGroup.code());
    let member = MemberIdentity::default()
        .with_member_id(joined.member_id.clone())
        .with_group_instance_id(None);
    let leave = LeaveGroupRequest::default()
        .with_group_id(group_id())
        .with_members(vec![member]);
    client.call(4, &leave).await;
    assert_eq!(client.call(2, &delete).await.results[0].error_code, 0);
}

#[tokio::test]
async fn this_node_coordinates_groups_and_transactions_and_nothing_else() {
    let broker = broker().await;
    let mut client = Client::connect(&broker).await;
    let port = i32::from(broker.address().port());
    let key = StrBytes::from_static_str("g");
    for version in 0..=5 {
        let request = if version >= 4 {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![key.clone()])
        } else {
            FindCoordinatorRequest::default().with_key(key.clone())
        };
        let response = client.call(version, &request).await;
        let found = response
            .coordinators
            .first()
            .map_or(response.port, |found| found.port);
        assert_eq!(found, port, "v{version}");
    }
    for (key_type, expected) in [(1, ErrorCode::None), (2, ErrorCode::InvalidRequest)] {
        let request = FindCoordinatorRequest::default()
            .with_key(key.clone())
            .with_key_type(key_type);
        let response = client.call(3, &request).await;
        assert_eq!(response.error_code, expected.code());
    }
    let cluster = client.call(1, &DescribeClusterRequest::default()).await;
    assert_eq!(cluster.brokers[0].port, port);
}

#[tokio::test]
async fn session_timeouts_outside_the_configured_range_are_refused() {
    let builder = Broker::builder()
        .property("group.min.session.timeout.ms", "10001")
        .expect("a known property");
    let broker = start(builder).await;
    let mut client = Client::connect(&broker).await;
    let joined = join(&mut client, 9).await;
    assert_eq!(joined.error_code, ErrorCode::InvalidSessionTimeout.code());
}
