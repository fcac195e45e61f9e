use super::*;
use crate::wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use crate::wire::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};

fn metadata(code: ErrorCode, leader: i32) -> MetadataResponse {
    let partition = MetadataResponsePartition::default()
        .with_partition_index(3)
        .with_leader_id(BrokerId(leader));
    let topic = MetadataResponseTopic::default()
        .with_name(Some(topic_name("orders")))
        .with_error_code(code.code())
        .with_partitions(vec![partition]);
    MetadataResponse::default().with_topics(vec![topic])
}

#[test]
fn leaders_are_found_or_it_is_said_whether_to_ask_again() {
    let find = |metadata: &MetadataResponse, topic: &str, partition| {
        find_leader(metadata, &TopicPartition::new(topic, partition))
    };
    let healthy = metadata(ErrorCode::None, 7);
    assert_eq!(find(&healthy, "orders", 3).expect("it has one"), NodeId(7));
    assert!(find(&healthy, "orders", 0).is_err_and(|error| !error.is_retriable()));
    assert!(find(&healthy, "users", 3).is_err_and(|error| !error.is_retriable()));
    let leaderless = metadata(ErrorCode::None, -1);
    assert!(find(&leaderless, "orders", 3).is_err_and(|error| error.is_retriable()));
    let unknown = metadata(ErrorCode::UnknownTopicOrPartition, 7);
    assert!(find(&unknown, "orders", 3).is_err_and(|error| !error.is_retriable()));
}

#[test]
fn only_what_was_committed_is_listed() {
    let row = |index, offset| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
    };
    let topic = OffsetFetchResponseTopic::default()
        .with_name(topic_name("orders"))
        .with_partitions(vec![row(1, 40), row(0, 0), row(2, -1)]);
    let response = OffsetFetchResponse::default().with_topics(vec![topic]);
    let offsets = read_committed("billing", &response).expect("there is no error");
    let shown: Vec<(String, i64)> = offsets
        .iter()
        .map(|commit| (commit.partition.to_string(), commit.offset))
        .collect();
    assert_eq!(
        shown,
        [("orders-0".to_owned(), 0), ("orders-1".to_owned(), 40)]
    );
}

#[test]
fn lag_counts_from_the_commit_or_the_start() {
    fn check(committed: Option<i64>, start: Option<i64>, end: Option<i64>, lag: Option<i64>) {
        let partition = TopicPartition::new("orders", 0);
        let row = PartitionLag {
            partition,
            committed,
            start,
            end,
            member_id: None,
        };
        assert_eq!(row.lag(), lag, "{row:?}");
    }
    check(Some(40), Some(10), Some(100), Some(60));
    check(None, Some(10), Some(100), Some(90));
    check(None, None, Some(100), None);
    check(Some(40), Some(10), None, None);
    // The end may have been read before the commit.
    check(Some(101), Some(10), Some(100), Some(0));
}
