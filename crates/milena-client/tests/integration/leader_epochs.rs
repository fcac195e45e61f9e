//! Leaders that take over with all records, or without the last ones (KIP-320, KIP-951).

use std::time::Duration;

use milena_broker::{ApiKey, Broker};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset, SeekTo};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Client, ClientConfig, Error, TopicPartition};

use crate::consumer_support::{
    LONG, assigned, client, config, consume, eventually, expect_nothing, produce,
};
use crate::support::start_broker;

/// Writes numbers as batches of their own, so that a log can be cut between any two.
async fn produce_one_by_one(client: &Client, from: u32, to: u32) {
    for number in from..to {
        produce(client, "t", 0, number, number + 1).await;
    }
}

/// Ten records, read by a consumer with this policy.
async fn ten_read(policy: OffsetReset) -> (Broker, Client, Consumer) {
    let broker = start_broker().await;
    let client = client(&broker);
    produce_one_by_one(&client, 0, 10).await;
    let config = ConsumerConfig::new().auto_offset_reset(policy);
    let consumer = assigned(&client, config, "t", &[0]).await;
    let partition = TopicPartition::new("t", 0);
    if policy == OffsetReset::None {
        let error = next_error(&consumer).await;
        assert!(matches!(error, Error::NoOffset { .. }), "{error}");
    }
    consumer.seek(&partition, SeekTo::Offset(0)).await.unwrap();
    assert_eq!(consume(&consumer, 10).await, Vec::from_iter(0..10));
    (broker, client, consumer)
}

/// The next error; other records may come before it.
async fn next_error(consumer: &Consumer) -> Error {
    loop {
        match consumer.consume_next(LONG).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error came"),
            Err(error) if error.is_retriable() => {}
            Err(error) => return error,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_takes_over_is_followed_without_asking_for_metadata() {
    let broker = start_broker().await;
    let calm = ClientConfig::new(&broker.bootstrap()).metadata_max_age(Duration::from_secs(3600));
    let calm = Client::new(calm).unwrap();
    let producing = client(&broker);
    produce(&producing, "t", 0, 0, 3).await;
    // The consumer finds the leader known: it has nothing to ask for, now or a little later.
    let knowing = Producer::new(&calm, ProducerConfig::default()).unwrap();
    let _topic = knowing.topic("t").await.unwrap();
    let consumer = assigned(&calm, config(), "t", &[0]).await;
    assert_eq!(consume(&consumer, 3).await, [0, 1, 2]);
    for round in 1..4 {
        let before = broker.faults().requests_seen(ApiKey::Metadata);
        assert_eq!(broker.elect_leader("t", 0).unwrap(), round);
        eventually("the consumer asks the new leader", || {
            let asked = broker.faults().requests_seen(ApiKey::OffsetForLeaderEpoch);
            asked == u64::try_from(round).unwrap()
        })
        .await;
        let after = broker.faults().requests_seen(ApiKey::Metadata);
        assert_eq!(after, before, "metadata was asked for");
        let number = u32::try_from(round).unwrap() + 2;
        produce(&producing, "t", 0, number, number + 1).await;
        let record = consumer.consume_next(LONG).await.unwrap().unwrap();
        assert_eq!(record.leader_epoch(), round);
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_log_is_read_on_from_where_it_was_cut() {
    for policy in [OffsetReset::Earliest, OffsetReset::Latest] {
        let (broker, client, consumer) = ten_read(policy).await;
        broker.elect_unclean_leader("t", 0, 6).unwrap();
        produce_one_by_one(&client, 100, 102).await;
        assert_eq!(consume(&consumer, 2).await, [100, 101], "{policy:?}");
        let partition = TopicPartition::new("t", 0);
        assert_eq!(consumer.position(&partition), Some(8));
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_has_grown_past_the_position_again_is_noticed() {
    let (broker, client, consumer) = ten_read(OffsetReset::Earliest).await;
    broker.elect_unclean_leader("t", 0, 6).unwrap();
    // The position is within the log again: only epochs tell that these are others.
    produce(&client, "t", 0, 100, 120).await;
    assert_eq!(consume(&consumer, 20).await, Vec::from_iter(100..120));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_log_is_an_error_without_a_policy() {
    let (broker, client, consumer) = ten_read(OffsetReset::None).await;
    broker.elect_unclean_leader("t", 0, 6).unwrap();
    let error = next_error(&consumer).await;
    let Error::LogTruncated {
        partition,
        position: 10,
        diverging_offset: Some(6),
    } = error
    else {
        panic!("{error}");
    };
    expect_nothing(&consumer).await;
    produce_one_by_one(&client, 100, 102).await;
    consumer.seek(&partition, SeekTo::Offset(5)).await.unwrap();
    assert_eq!(consume(&consumer, 3).await, [5, 100, 101]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_ahead_and_truncated_is_never_handed_out() {
    let broker = start_broker().await;
    let client = client(&broker);
    produce_one_by_one(&client, 0, 10).await;
    let consumer = assigned(&client, config(), "t", &[0]).await;
    assert_eq!(consume(&consumer, 2).await, [0, 1]);
    broker.elect_unclean_leader("t", 0, 5).unwrap();
    let faults = broker.faults();
    eventually("the new leader is asked", || {
        faults.requests_seen(ApiKey::OffsetForLeaderEpoch) == 1
    })
    .await;
    let fetches = faults.requests_seen(ApiKey::Fetch);
    eventually("the answer is taken in", || {
        faults.requests_seen(ApiKey::Fetch) > fetches
    })
    .await;
    produce_one_by_one(&client, 100, 103).await;
    assert_eq!(consume(&consumer, 6).await, [2, 3, 4, 100, 101, 102]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_offset_is_checked_before_anything_is_fetched() {
    let broker = start_broker().await;
    let client = client(&broker);
    produce_one_by_one(&client, 0, 10).await;
    let group = |policy| ConsumerConfig::group("g").auto_offset_reset(policy);
    let first = assigned(&client, group(OffsetReset::Earliest), "t", &[0]).await;
    consume(&first, 10).await;
    first.commit().await.unwrap();
    first.close().await.unwrap();
    broker.elect_unclean_leader("t", 0, 6).unwrap();
    produce(&client, "t", 0, 100, 120).await;
    let asked = broker.faults().requests_seen(ApiKey::OffsetForLeaderEpoch);
    let strict = assigned(&client, group(OffsetReset::None), "t", &[0]).await;
    let error = next_error(&strict).await;
    assert!(
        matches!(
            error,
            Error::LogTruncated {
                position: 10,
                diverging_offset: Some(6),
                ..
            }
        ),
        "{error}"
    );
    let now_asked = broker.faults().requests_seen(ApiKey::OffsetForLeaderEpoch);
    assert!(now_asked > asked);
    strict.close().await.unwrap();
    let lenient = assigned(&client, group(OffsetReset::Latest), "t", &[0]).await;
    assert_eq!(consume(&lenient, 20).await, Vec::from_iter(100..120));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_the_application_stored_is_checked_by_its_epoch() {
    let (broker, client, consumer) = ten_read(OffsetReset::None).await;
    let partition = TopicPartition::new("t", 0);
    broker.elect_leader("t", 0).unwrap();
    produce_one_by_one(&client, 10, 12).await;
    let behind = |offset, leader_epoch| SeekTo::OffsetOfEpoch {
        offset,
        leader_epoch,
    };
    consumer.seek(&partition, behind(10, 0)).await.unwrap();
    assert_eq!(consume(&consumer, 2).await, [10, 11]);
    // Record 10 is of epoch 1: whoever read it as one of epoch 0 read another log.
    consumer.seek(&partition, behind(11, 0)).await.unwrap();
    let error = next_error(&consumer).await;
    assert!(
        matches!(
            error,
            Error::LogTruncated {
                position: 11,
                diverging_offset: Some(10),
                ..
            }
        ),
        "{error}"
    );
    let negative = consumer.seek(&partition, behind(-1, 0)).await;
    assert!(matches!(negative, Err(Error::InvalidState { .. })));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_take_over_again_and_again_cost_no_record() {
    const RECORDS: u32 = 2_000;
    let broker = start_broker().await;
    let client = client(&broker);
    let consumer = assigned(&client, config(), "t", &[0]).await;
    let sends = async {
        let producer = Producer::new(&client, ProducerConfig::default()).unwrap();
        for number in 0..RECORDS {
            let value = number.to_string();
            let record = Record::to("t").partition(0).value(&value);
            producer.send(record).await.unwrap();
            if number % 50 == 0 {
                broker.elect_leader("t", 0).unwrap();
            }
        }
        producer.close().await.unwrap();
    };
    let reads = async {
        let read = consume(&consumer, RECORDS as usize).await;
        assert_eq!(read, Vec::from_iter(0..RECORDS));
    };
    tokio::join!(sends, reads);
    broker.stop().await;
}
