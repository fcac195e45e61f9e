//! Tests of the bytes that members send each other.

use std::sync::Arc;

use proptest::prelude::*;

use super::{decode_assignment, decode_subscription, encode_assignment, encode_subscription};
use crate::topology::TopicPartition;

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
    let bytes = encode_subscription(&topics(&["a", "b"]), &owned, 5);
    let read = decode_subscription("m", Some("i"), &bytes).expect("well formed");
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
    let bytes = encode_subscription(&topics(&["a", "b"]), &owned, 7);
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

#[test]
fn older_versions_are_read() {
    // Version 0: topics and user data.
    let bytes = b"\0\0\0\0\0\x01\0\x01a\xff\xff\xff\xff";
    let read = decode_subscription("m", None, bytes).expect("well formed");
    assert_eq!(
        (read.topics, read.owned, read.generation),
        (topics(&["a"]), vec![], None)
    );
    // Version 1 with Java's cooperative user data: a generation alone.
    let bytes = b"\0\x01\0\0\0\x01\0\x01a\0\0\0\x04\0\0\0\x09\0\0\0\x01\0\x01a\0\0\0\x01\0\0\0\x03";
    let read = decode_subscription("m", None, bytes).expect("well formed");
    assert_eq!(read.owned, partitions(&[("a", 3)]));
    assert_eq!(read.generation, Some(9));
}

#[test]
fn newer_versions_are_read_as_far_as_they_are_known() {
    let mut bytes = encode_subscription(&topics(&["a"]), &[], 1).to_vec();
    bytes[1] = 9;
    bytes.extend_from_slice(b"whatever comes next");
    let read = decode_subscription("m", None, &bytes).expect("well formed");
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
        decode_subscription("m", None, bytes).expect_err("malformed");
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
        let _ = decode_subscription("m", None, &bytes);
        let _ = decode_assignment(&bytes);
    }
}
