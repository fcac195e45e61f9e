//! Tests of the bytes that members send each other.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    Subscription, SubscriptionError, decode_assignment, encode_assignment, encode_subscription,
};
use crate::group::assignor::{Assignor, MemberSubscription, PreviousAssignment};
use crate::topology::TopicPartition;

fn encode(topics: &[Arc<str>], owned: &[TopicPartition], generation: i32) -> bytes::Bytes {
    let subscription = Subscription {
        rack: "",
        topics,
        owned,
        generation,
        previous: None,
    };
    encode_subscription(Assignor::CooperativeSticky, subscription)
}

fn decode(bytes: &[u8]) -> Result<MemberSubscription, SubscriptionError> {
    super::decode_subscription(Assignor::CooperativeSticky, "m", Some("i"), bytes)
}

fn topics(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn partitions(names: &[(&str, i32)]) -> Vec<TopicPartition> {
    let name = |(topic, partition): &(&str, i32)| TopicPartition::new(*topic, *partition);
    names.iter().map(name).collect()
}

#[test]
fn a_subscription_comes_back() {
    let owned = partitions(&[("a", 0), ("a", 2), ("b", 1)]);
    let bytes = encode(&topics(&["a", "b"]), &owned, 5);
    let read = decode(&bytes).expect("well formed");
    assert_eq!(read.member_id, "m");
    assert_eq!(read.group_instance_id.as_deref(), Some("i"));
    assert_eq!(read.topics, topics(&["a", "b"]));
    assert_eq!(read.owned, owned);
    assert_eq!(read.generation, Some(5));
}

/// The message classes of Kafka read what we write, in every version.
#[test]
fn the_layout_is_kafkas() {
    use crate::wire::Decodable;
    use crate::wire::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};

    let owned = partitions(&[("a", 1), ("b", 0)]);
    let bytes = encode(&topics(&["a", "b"]), &owned, 7);
    let mut rest = bytes.slice(2..);
    let read = ConsumerProtocolSubscription::decode(&mut rest, 3).expect("well formed");
    assert!(rest.is_empty());
    assert_eq!(read.topics.len(), 2);
    assert_eq!(read.user_data.as_deref(), Some(&7_i32.to_be_bytes()[..]));
    assert_eq!(read.owned_partitions[0].topic.as_str(), "a");
    assert_eq!(read.owned_partitions[0].partitions, [1]);
    assert_eq!((read.generation_id, read.rack_id), (7, None));

    let mut rest = encode_assignment(&owned).slice(2..);
    let read = ConsumerProtocolAssignment::decode(&mut rest, 3).expect("well formed");
    assert!(rest.is_empty());
    assert_eq!(read.assigned_partitions.len(), 2);
    assert_eq!(read.user_data, None);
}

/// The user data of Java's sticky assignor: version 1 with a generation, and
/// version 0 without.
#[test]
fn sticky_members_tell_what_they_had() {
    let previous = PreviousAssignment {
        partitions: partitions(&[("a", 0), ("a", 2)]),
        generation: Some(6),
    };
    let subscription = Subscription {
        rack: "",
        topics: &topics(&["a"]),
        owned: &[],
        generation: 6,
        previous: Some(&previous),
    };
    let bytes = encode_subscription(Assignor::Sticky, subscription);
    let read =
        |assignor| super::decode_subscription(assignor, "m", None, &bytes).expect("well formed");
    assert_eq!(read(Assignor::Sticky).previous, Some(previous));
    assert_eq!(read(Assignor::Range).previous, None);

    let user_data = b"\0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x02";
    let old = super::previous_of_user_data(user_data).expect("well formed");
    assert_eq!(old.partitions, partitions(&[("a", 0), ("a", 2)]));
    assert_eq!(old.generation, None);
    assert_eq!(super::previous_of_user_data(b"\0\0\0\x01\0"), None);
    let written = [&user_data[..], &6_i32.to_be_bytes()].concat();
    let at = bytes
        .windows(written.len())
        .position(|part| part == written);
    assert!(at.is_some(), "{bytes:?} holds {written:?}");
}

#[test]
fn older_versions_are_read() {
    // Version 0: topics and user data.
    let bytes = b"\0\0\0\0\0\x01\0\x01a\xff\xff\xff\xff";
    let read = decode(bytes).expect("well formed");
    assert_eq!(
        (read.topics, read.owned, read.generation),
        (topics(&["a"]), vec![], None)
    );
    // Version 1 with Java's cooperative user data: a generation alone.
    let bytes = b"\0\x01\0\0\0\x01\0\x01a\0\0\0\x04\0\0\0\x09\0\0\0\x01\0\x01a\0\0\0\x01\0\0\0\x03";
    let read = decode(bytes).expect("well formed");
    assert_eq!(read.owned, partitions(&[("a", 3)]));
    assert_eq!(read.generation, Some(9));
}

#[test]
fn newer_versions_are_read_as_far_as_they_are_known() {
    let mut bytes = encode(&topics(&["a"]), &[], 1).to_vec();
    bytes[1] = 9;
    bytes.extend_from_slice(b"whatever comes next");
    let read = decode(&bytes).expect("well formed");
    assert_eq!(read.generation, Some(1));
}

#[test]
fn an_empty_assignment_is_none() {
    assert_eq!(decode_assignment(b"").expect("allowed"), []);
    let bytes = encode_assignment(&[]);
    assert_eq!(decode_assignment(&bytes).expect("well formed"), []);
}

#[test]
fn crafted_counts_are_errors() {
    for bytes in [
        &b"\0\0\x7f\xff\xff\xff"[..],
        b"\0\0\xff\xff\xff\xff",
        b"\xff\xff\0\0\0\0",
        b"\0\0\0\0\0\x01\x7f\xff",
    ] {
        decode(bytes).expect_err("malformed");
        decode_assignment(bytes).expect_err("malformed");
    }
}

proptest! {
    #[test]
    fn any_assignment_comes_back(rows in prop::collection::btree_set((0_i32..4, 0_i32..50), 0..60)) {
        let all: Vec<TopicPartition> =
            rows.iter().map(|(topic, index)| TopicPartition::new(format!("t{topic}"), *index)).collect();
        let bytes = encode_assignment(&all);
        prop_assert_eq!(decode_assignment(&bytes).expect("well formed"), all);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let _ = decode_assignment(&bytes);
    }
}

#[test]
fn a_member_says_where_it_is() {
    use crate::wire::Decodable;
    use crate::wire::messages::ConsumerProtocolSubscription;

    let subscription = Subscription {
        rack: "r1",
        topics: &topics(&["a"]),
        owned: &[],
        generation: 6,
        previous: None,
    };
    let bytes = encode_subscription(Assignor::Range, subscription);
    let mut rest = bytes.slice(2..);
    let read = ConsumerProtocolSubscription::decode(&mut rest, 3).expect("well formed");
    assert!(rest.is_empty());
    assert_eq!(read.rack_id.as_deref(), Some("r1"));
}
