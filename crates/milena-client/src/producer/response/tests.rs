//! Tests of the reading of Produce responses.

use bytes::BytesMut;
use milena_wire::rpc::Encodable;
use milena_wire::rpc::messages::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, TopicProduceResponse,
};

use super::*;
use crate::NodeId;

/// Codes of partitions 0 and 1 of `t` in an answer that names a leader of partition 0, and the
/// leaders that were understood.
fn check(version: i16, leaders_expected: usize) {
    let leader = LeaderIdAndEpoch::default()
        .with_leader_id(3.into())
        .with_leader_epoch(8);
    let mut refused =
        PartitionProduceResponse::default().with_error_code(ErrorCode::NotLeaderOrFollower.code());
    let mut response = ProduceResponse::default();
    if leaders_expected > 0 {
        refused.current_leader = leader;
        response.node_endpoints = vec![
            NodeEndpoint::default()
                .with_node_id(3.into())
                .with_host(StrBytes::from_static_str("c"))
                .with_port(9092),
        ];
    }
    let written = PartitionProduceResponse::default().with_index(1);
    response.responses = vec![
        TopicProduceResponse::default()
            .with_name(StrBytes::from_static_str("t").into())
            .with_partition_responses(vec![refused, written]),
    ];
    let mut body = BytesMut::new();
    response.encode(&mut body, version).expect("possible");
    let mut answers = decode(body.freeze(), version).expect("readable");
    let refused = answers.take("t", 0).expect("partition 0");
    assert!(refused.refreshes_metadata(), "version {version}");
    let written = answers.take("t", 1).expect("partition 1");
    assert!(!written.refreshes_metadata(), "version {version}");
    assert!(answers.take("t", 1).is_none(), "taken");
    assert_eq!(answers.leaders.leaders.len(), leaders_expected);
    for named in &answers.leaders.leaders {
        assert_eq!(named.partition, TopicPartition::new("t", 0));
        assert_eq!((named.leader, named.leader_epoch), (NodeId(3), 8));
        assert_eq!(answers.leaders.endpoints[&named.leader].port, 9092);
    }
}

#[test]
fn leaders_are_named_from_version_10_on() {
    for version in 3..=9 {
        check(version, 0);
    }
    for version in 10..=12 {
        check(version, 1);
    }
}
