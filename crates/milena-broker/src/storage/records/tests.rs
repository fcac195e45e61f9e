use std::time::Duration;

use super::*;

#[test]
fn topics_and_group_records_are_read_as_they_were_written() {
    let topics = vec![TopicRecord {
        name: "t".into(),
        id: Uuid::from_u128(9),
        partitions: 3,
    }];
    assert_eq!(decode_topics(&encode_topics(&topics)), Some(topics));

    let now = Instant::now();
    let mut member = Member::new("m".into(), now);
    member.instance_id = Some("i".into());
    member.session_timeout = Duration::from_secs(6);
    member.protocols = vec![Protocol {
        name: "range".into(),
        metadata: vec![1, 2].into(),
    }];
    member.assignment = vec![3].into();
    let offset = CommittedOffset {
        offset: 5,
        leader_epoch: -1,
        metadata: "note".into(),
        committed_ms: 77,
    };
    let records = [
        GroupRecord::Offsets {
            group: "g".into(),
            rows: vec![("t".into(), 2, offset.clone())],
        },
        GroupRecord::Pending {
            group: "g".into(),
            producer_id: 8,
            rows: vec![("t".into(), 2, offset)],
        },
        GroupRecord::Settled {
            group: "g".into(),
            producer_id: 8,
            is_committed: true,
        },
        GroupRecord::Members {
            group: "g".into(),
            snapshot: GroupSnapshot {
                generation: 4,
                protocol_type: Some("consumer".into()),
                protocol: None,
                leader: Some("m".into()),
                members: vec![member],
            },
        },
        GroupRecord::Removed { group: "g".into() },
        GroupRecord::TopicForgotten { topic: "t".into() },
        GroupRecord::OffsetsExpired {
            group: "g".into(),
            oldest_ms: 12,
        },
    ];
    for record in records {
        let bytes = record.encode();
        assert_eq!(GroupRecord::decode(&bytes, now), Some(record));
        for cut in 0..bytes.len() {
            assert_eq!(GroupRecord::decode(&bytes[..cut], now), None);
        }
    }
}

#[test]
fn groups_of_the_new_protocol_are_read_as_they_were_written() {
    use crate::coordinator::consumer_group::{
        Member as ConsumerMember, MemberState, PartitionSet, Pattern, ServerAssignor,
    };

    let now = Instant::now();
    let partitions = |indexes: &[i32]| -> PartitionSet {
        let topic = Uuid::from_u128(7);
        indexes.iter().map(|index| (topic, *index)).collect()
    };
    let mut static_member = ConsumerMember::new("a".into(), now);
    static_member.instance_id = Some("i".into());
    static_member.rack_id = Some("r".into());
    static_member.rebalance_timeout = Duration::from_secs(60);
    static_member.names = ["t".into(), "u".into()].into();
    static_member.assignor = Some(ServerAssignor::Range);
    static_member.epoch = -2;
    static_member.assigned = partitions(&[0, 1]);
    let mut member = ConsumerMember::new("b".into(), now);
    member.pattern = Some(Pattern::new("t.*").expect("valid"));
    member.epoch = 4;
    member.previous_epoch = 3;
    member.state = MemberState::Unrevoked;
    member.revoking = partitions(&[2]);
    let record = GroupRecord::ConsumerMembers {
        group: "g".into(),
        snapshot: ConsumerGroupSnapshot {
            epoch: 5,
            target_epoch: 4,
            assignor: ServerAssignor::Uniform,
            members: vec![static_member, member],
            targets: vec![
                ("a".into(), partitions(&[0])),
                ("b".into(), partitions(&[])),
            ],
        },
    };
    let bytes = record.encode();
    assert_eq!(GroupRecord::decode(&bytes, now), Some(record));
    for cut in 0..bytes.len() {
        assert_eq!(GroupRecord::decode(&bytes[..cut], now), None);
    }
}
