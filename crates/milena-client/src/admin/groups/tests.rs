use bytes::{BufMut, BytesMut};

use super::*;
use crate::wire::Encodable;
use crate::wire::messages::TopicName;
use crate::wire::messages::consumer_protocol_assignment::TopicPartition as AssignedPartitions;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn assignment(version: i16, topics: &[(&str, &[i32])]) -> Bytes {
    let topics = topics.iter().map(|(name, partitions)| {
        AssignedPartitions::default()
            .with_topic(TopicName(text(name)))
            .with_partitions(partitions.to_vec())
    });
    let message = ConsumerProtocolAssignment::default().with_assigned_partitions(topics.collect());
    let mut bytes = BytesMut::new();
    bytes.put_i16(version);
    message
        .encode(&mut bytes, version.min(3))
        .expect("it can be encoded");
    bytes.freeze()
}

fn group(state: &str, members: Vec<DescribedGroupMember>) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(GroupId(text("billing")))
        .with_group_state(text(state))
        .with_protocol_type(text(PROTOCOL_CONSUMER))
        .with_members(members)
}

fn member(id: &str, assignment: Bytes) -> DescribedGroupMember {
    DescribedGroupMember::default()
        .with_member_id(text(id))
        .with_member_assignment(assignment)
}

#[test]
fn assignments_of_every_version_are_read() {
    // Version 4 does not exist yet; what is known of it is at its front.
    for version in 0..=4 {
        let bytes = assignment(version, &[("b", &[1, 0]), ("a", &[2])]);
        let partitions = read_assignment(bytes).expect("it is whole");
        let shown: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a-2", "b-0", "b-1"], "version {version}");
    }
}

#[test]
fn broken_assignments_are_errors() {
    let whole = assignment(0, &[("orders", &[0, 1])]);
    assert_eq!(read_assignment(Bytes::new()), Some(Vec::new()));
    for cut in [1, 3, 9, 15] {
        assert_eq!(read_assignment(whole.slice(..cut)), None, "cut at {cut}");
    }
    assert_eq!(read_assignment(Bytes::from_static(&[0xff, 0xff])), None);
}

#[test]
fn members_are_described_with_what_they_own() {
    let members = vec![
        member("m2", assignment(0, &[("orders", &[1])])),
        member("m1", assignment(0, &[("orders", &[0])])),
    ];
    let described = read_group(&group("Stable", members), NodeId(1)).expect("it is whole");
    assert_eq!(described.members[0].member_id, "m1");
    let owners = owners(&described);
    assert_eq!(owners[&TopicPartition::new("orders", 1)], "m2");
}

#[test]
fn assignments_of_other_protocols_are_left_alone() {
    let connect = group("Stable", vec![member("m1", Bytes::from_static(b"?"))])
        .with_protocol_type(text("connect"));
    let described = read_group(&connect, NodeId(1)).expect("it is whole");
    assert_eq!(described.members[0].assignment, []);
}

#[test]
fn a_dead_group_does_not_exist() {
    let error = read_group(&group(STATE_DEAD, Vec::new()), NodeId(1)).expect_err("it is dead");
    assert_eq!(error.code(), Some(ErrorCode::GroupIdNotFound));
    assert!(!error.is_retriable());
}
