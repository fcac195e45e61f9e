//! Tests of the words of a fetch.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milena_wire::batch::control::{TransactionEnd, encode_transaction_marker};
use milena_wire::batch::{
    Attributes, BATCH_HEADER_BYTES, BatchEncoder, BatchHeader, BatchStamp, RecordData, compute_crc,
    patch_base_offset,
};
use milena_wire::compression::Compression;
use uuid::Uuid;

use super::{Asked, FETCH_VERSION_MAX, FETCH_VERSION_MIN, FetchSettings, leaders, read, request};
use crate::consumer::IsolationLevel;
use crate::consumer::partitions::FetchedResult;
use crate::consumer::position::Incarnation;
use crate::consumer::session::{FetchParams, FetchSession};
use crate::consumer::validation::EpochEnd;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::messages::FetchResponse;
use crate::wire::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};
use crate::wire::{Encodable, StrBytes};

const TRANSACTION: BatchStamp = BatchStamp {
    producer_id: 9,
    producer_epoch: 0,
    base_sequence: 0,
    is_transactional: true,
};

fn batch(base_offset: i64, records: i32, stamp: BatchStamp, codec: Compression) -> Vec<u8> {
    let mut encoder = BatchEncoder::with_capacity(256);
    for _ in 0..records {
        let record = RecordData {
            value: Some(b"value"),
            ..RecordData::default()
        };
        encoder.append(&record).expect("fits");
    }
    at(
        base_offset,
        encoder.finish(stamp, codec, None).expect("complete"),
    )
}

fn plain(base_offset: i64, records: i32) -> Vec<u8> {
    batch(base_offset, records, BatchStamp::NONE, Compression::None)
}

fn at(base_offset: i64, bytes: Bytes) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    patch_base_offset(&mut bytes, base_offset).expect("a header");
    bytes
}

/// What compaction leaves of a batch whose records are all gone.
fn emptied(base_offset: i64, last_offset_delta: i32) -> Vec<u8> {
    let mut header = BatchHeader::parse(&plain(base_offset, 1)).expect("a header");
    header.batch_length = 49;
    header.records_count = 0;
    header.last_offset_delta = last_offset_delta;
    header.attributes = Attributes::default();
    let mut bytes = [0; BATCH_HEADER_BYTES];
    header.write(&mut bytes);
    header.crc = compute_crc(&bytes);
    header.write(&mut bytes);
    bytes.to_vec()
}

fn marker(base_offset: i64, end: TransactionEnd) -> Vec<u8> {
    let bytes = encode_transaction_marker(end, TRANSACTION.producer_id, 0, 0, 0).expect("possible");
    at(base_offset, bytes)
}

/// The base offsets handed out of these bytes and the offset to go on with.
fn check(
    records: &[Vec<u8>],
    from: i64,
    level: IsolationLevel,
    aborted_from: &[i64],
) -> Result<(Vec<i64>, i64), String> {
    let aborted = aborted_from.iter().map(|offset| {
        AbortedTransaction::default()
            .with_producer_id(TRANSACTION.producer_id.into())
            .with_first_offset(*offset)
    });
    let data = PartitionData::default()
        .with_records(Some(Bytes::from(records.concat())))
        .with_aborted_transactions(Some(aborted.collect()));
    let topic = FetchableTopicResponse::default()
        .with_topic(StrBytes::from_static_str("t").into())
        .with_partitions(vec![data]);
    let response = FetchResponse::default().with_responses(vec![topic]);
    let asked = Asked::from([(TopicPartition::new("t", 0), (from, Incarnation::default()))]);
    let mut fetched = read(response, &asked, &HashMap::new(), level);
    match fetched.pop().expect("one partition").result {
        FetchedResult::Records {
            batches,
            next_offset,
            ..
        } => {
            let offsets = batches.iter().map(|batch| batch.raw.header.base_offset);
            Ok((offsets.collect(), next_offset))
        }
        FetchedResult::Unreadable(error) => Err(error.to_string()),
        other => Err(format!("{other:?}")),
    }
}

fn read_one(data: PartitionData) -> FetchedResult {
    let topic = FetchableTopicResponse::default()
        .with_topic(StrBytes::from_static_str("t").into())
        .with_partitions(vec![data]);
    let response = FetchResponse::default().with_responses(vec![topic]);
    let asked = Asked::from([(TopicPartition::new("t", 0), (5, Incarnation::default()))]);
    let mut fetched = read(response, &asked, &HashMap::new(), ALL);
    fetched.pop().expect("one partition").result
}

const ALL: IsolationLevel = IsolationLevel::ReadUncommitted;
const COMMITTED: IsolationLevel = IsolationLevel::ReadCommitted;

#[test]
fn batches_come_in_order() {
    let result = check(&[plain(0, 3), plain(3, 2)], 0, ALL, &[]);
    assert_eq!(result, Ok((vec![0, 3], 5)));
    assert_eq!(check(&[], 5, ALL, &[]), Ok((vec![], 5)));
}

#[test]
fn a_fetch_into_the_middle_of_a_batch_gets_the_whole_one() {
    let result = check(&[plain(0, 3), plain(3, 3)], 4, ALL, &[]);
    assert_eq!(result, Ok((vec![3], 6)));
}

#[test]
fn pitfall_23_an_emptied_batch_is_passed() {
    let result = check(&[emptied(0, 9)], 0, ALL, &[]);
    assert_eq!(result, Ok((vec![], 10)));
    let result = check(&[plain(0, 2), emptied(2, 4), plain(7, 1)], 0, ALL, &[]);
    assert_eq!(result, Ok((vec![0, 7], 8)));
}

#[test]
fn pitfall_25_a_partial_trailing_batch_is_legal() {
    let mut cut = plain(3, 2);
    cut.truncate(70);
    assert_eq!(
        check(&[plain(0, 3), cut.clone()], 0, ALL, &[]),
        Ok((vec![0], 3))
    );
    let problem = check(&[cut], 3, ALL, &[]).expect_err("no progress possible");
    assert!(problem.contains("no complete one"), "{problem}");
}

#[test]
fn what_came_before_unreadable_bytes_is_used() {
    let mut broken = plain(3, 2);
    broken[16] = 7;
    assert_eq!(
        check(&[plain(0, 3), broken.clone()], 0, ALL, &[]),
        Ok((vec![0], 3))
    );
    check(&[broken], 3, ALL, &[]).expect_err("format 7");
}

#[test]
fn pitfall_24_control_records_are_never_handed_out() {
    let data = batch(0, 2, TRANSACTION, Compression::None);
    let records = [data, marker(2, TransactionEnd::Commit), plain(3, 1)];
    for level in [ALL, COMMITTED] {
        assert_eq!(
            check(&records, 0, level, &[]),
            Ok((vec![0, 3], 4)),
            "{level:?}"
        );
    }
    let only_marker = [marker(0, TransactionEnd::Commit)];
    assert_eq!(check(&only_marker, 0, ALL, &[]), Ok((vec![], 1)));
}

#[test]
fn pitfall_24_aborted_batches_are_left_out_compressed_or_not() {
    for codec in [Compression::None, Compression::Zstd, Compression::Lz4] {
        let records = [
            batch(0, 2, TRANSACTION, codec),
            plain(2, 1),
            marker(3, TransactionEnd::Abort),
            batch(4, 2, TRANSACTION, codec),
            marker(6, TransactionEnd::Commit),
        ];
        let result = check(&records, 0, COMMITTED, &[0]);
        assert_eq!(result, Ok((vec![2, 4], 7)), "{codec:?}");
        let result = check(&records, 0, ALL, &[0]);
        assert_eq!(result, Ok((vec![0, 2, 4], 7)), "{codec:?}");
    }
}

#[test]
fn every_version_can_be_written() {
    let params = |topic: u128| FetchParams {
        topic_id: Uuid::from_u128(topic),
        fetch_offset: 5,
        current_leader_epoch: 2,
        last_fetched_epoch: 1,
        partition_bytes_max: 1000,
    };
    let settings = FetchSettings {
        wait_max: Duration::from_millis(500),
        bytes_min: 1,
        bytes_max: 5000,
        isolation_level: COMMITTED,
        rack: "r1".into(),
    };
    for version in FETCH_VERSION_MIN..=FETCH_VERSION_MAX {
        let mut session = FetchSession::new();
        let names = [("a", 0, 1), ("a", 1, 1), ("b", 0, 2)];
        let wanted: BTreeMap<TopicPartition, FetchParams> = names
            .iter()
            .map(|(topic, index, id)| (TopicPartition::new(*topic, *index), params(*id)))
            .collect();
        session.plan(wanted);
        session.on_response(crate::wire::ErrorCode::None, 4);
        let mut fewer = BTreeMap::new();
        fewer.insert(TopicPartition::new("a", 0), params(1));
        fewer.insert(TopicPartition::new("c", 0), params(3));
        let plan = session.plan(fewer);
        let request = request(&plan, &settings, version);
        let mut out = bytes::BytesMut::new();
        request.encode(&mut out, version).expect("possible");
        assert_eq!(request.topics.len(), 1, "c is new, a is known");
    }
}

#[test]
fn topics_are_found_by_id() {
    let id = Uuid::from_u128(5);
    let topic = FetchableTopicResponse::default()
        .with_topic_id(id)
        .with_partitions(vec![PartitionData::default().with_error_code(6)]);
    let response = FetchResponse::default().with_responses(vec![topic]);
    let asked = Asked::from([(TopicPartition::new("t", 0), (3, Incarnation::default()))]);
    let names = HashMap::from([(id, Arc::from("t"))]);
    let fetched = read(response, &asked, &names, ALL);
    assert_eq!(fetched[0].partition, TopicPartition::new("t", 0));
    assert_eq!(fetched[0].fetched_from, 3);
}

#[test]
fn an_answer_may_name_another_replica_or_where_logs_part() {
    let data = PartitionData::default().with_preferred_read_replica(2.into());
    let result = read_one(data);
    assert!(
        matches!(result, FetchedResult::Elsewhere(NodeId(2))),
        "{result:?}"
    );
    let end = EpochEndOffset::default().with_epoch(3).with_end_offset(4);
    let result = read_one(PartitionData::default().with_diverging_epoch(end));
    assert!(
        matches!(
            result,
            FetchedResult::Diverging(EpochEnd {
                epoch: 3,
                offset: 4
            })
        ),
        "{result:?}"
    );
    let mut bytes = plain(5, 2);
    bytes[12..16].copy_from_slice(&7_i32.to_be_bytes());
    let data = PartitionData::default().with_records(Some(Bytes::from(bytes)));
    let FetchedResult::Records { last_epoch, .. } = read_one(data) else {
        panic!("records");
    };
    assert_eq!(last_epoch, 7);
}

#[test]
fn leaders_are_read_where_they_can_be_reached() {
    let id = Uuid::from_u128(5);
    let leader = LeaderIdAndEpoch::default()
        .with_leader_id(3.into())
        .with_leader_epoch(8);
    let data = PartitionData::default()
        .with_error_code(6)
        .with_current_leader(leader);
    let topic = FetchableTopicResponse::default()
        .with_topic_id(id)
        .with_partitions(vec![data, PartitionData::default().with_partition_index(1)]);
    let names = HashMap::from([(id, Arc::from("t"))]);
    let without = FetchResponse::default().with_responses(vec![topic]);
    assert!(leaders(&without, &names).leaders.is_empty());
    let endpoint = NodeEndpoint::default()
        .with_node_id(3.into())
        .with_host(StrBytes::from_static_str("c"))
        .with_port(9092);
    let response = without.with_node_endpoints(vec![endpoint]);
    let named = leaders(&response, &names);
    assert_eq!(named.leaders.len(), 1);
    assert_eq!(named.leaders[0].partition, TopicPartition::new("t", 0));
    assert_eq!(named.leaders[0].leader, NodeId(3));
    assert_eq!(named.leaders[0].leader_epoch, 8);
    assert_eq!(named.endpoints[&NodeId(3)].host, "c");
}
