//! Records come as they were written, in order, whatever the broker answers in between.

use std::time::Duration;

use futures_util::StreamExt;
use milena_broker::{ApiKey, ErrorCode, Fault};
use milena_client::consumer::{OffsetReset, SeekTo, TimestampType};
use milena_client::producer::{Header, Producer, ProducerConfig, Record};
use milena_client::{Compression, Error, TopicPartition};

use crate::consumer_support::{
    LONG, SHORT, assigned, client, config, consume, eventually, expect_nothing, number, produce,
};
use crate::support::{start_broker, start_broker_with};

#[tokio::test]
async fn records_come_as_they_were_written() {
    let broker = start_broker().await;
    let client = client(&broker);
    for codec in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let topic = format!("written-{codec}");
        let producer_config = ProducerConfig::default().compression(codec, None);
        let producer = Producer::new(&client, producer_config).unwrap();
        let headers = [
            Header {
                key: "a",
                value: Some(b"1"),
            },
            Header {
                key: "b",
                value: None,
            },
            Header {
                key: "a",
                value: Some(b"2"),
            },
        ];
        let record = Record::to(&topic)
            .key("key")
            .value("value")
            .timestamp(1234)
            .headers(&headers);
        producer.send(record).await.unwrap();
        producer
            .send(Record::to(&topic).key("tombstone"))
            .await
            .unwrap();
        producer.close().await.unwrap();

        let consumer = assigned(&client, config(), &topic, &[0]).await;
        let first = consumer.consume_next(LONG).await.unwrap().unwrap();
        assert_eq!(
            (&**first.topic(), first.partition(), first.offset()),
            (&*topic, 0, 0)
        );
        assert_eq!(
            (first.timestamp(), first.timestamp_type()),
            (1234, TimestampType::CreateTime)
        );
        assert_eq!(first.key(), Some(&b"key"[..]));
        assert_eq!(first.value(), Some(&b"value"[..]));
        let read: Vec<_> = first
            .headers()
            .iter()
            .map(|one| (one.key, one.value))
            .collect();
        let expected = [
            (&b"a"[..], Some(&b"1"[..])),
            (b"b", None),
            (b"a", Some(b"2")),
        ];
        assert_eq!(read, expected, "{codec}");
        let second = consumer.consume_next(LONG).await.unwrap().unwrap();
        assert_eq!((second.offset(), second.value()), (1, None));
        consumer.close().await.unwrap();
    }
}

#[tokio::test]
async fn poll_hands_out_batches_and_moves_positions() {
    let broker = start_broker_with(&[("num.partitions", "3")]).await;
    let client = client(&broker);
    for partition in 0..3 {
        produce(&client, "t", partition, 0, 100).await;
    }
    let consumer = assigned(&client, config(), "t", &[0, 1, 2]).await;
    let mut seen = vec![Vec::new(); 3];
    while seen.iter().map(Vec::len).sum::<usize>() < 300 {
        let polled = consumer.poll(LONG).await.unwrap();
        assert!(!polled.is_empty());
        for batch in polled.batches {
            let index = usize::try_from(batch.partition()).unwrap();
            assert_eq!(&**batch.topic(), "t");
            assert!(batch.records_count_max() > 0);
            let next_offset = batch.next_offset();
            seen[index].extend(batch.into_records().map(|record| number(&record.unwrap())));
            assert_eq!(
                u32::try_from(next_offset).unwrap(),
                seen[index].last().unwrap() + 1
            );
        }
    }
    let all: Vec<u32> = (0..100).collect();
    for (index, numbers) in (0..).zip(seen) {
        assert_eq!(numbers, all);
        let partition = TopicPartition::new("t", index);
        assert_eq!(consumer.position(&partition), Some(100));
        assert_eq!(consumer.lag(&partition), Some(0));
    }
    assert!(consumer.poll(SHORT).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_larger_than_every_limit_comes_nevertheless() {
    let broker = start_broker().await;
    let client = client(&broker);
    let producer = Producer::new(&client, ProducerConfig::default()).unwrap();
    let large = vec![b'x'; 300_000];
    for _ in 0..3 {
        producer.send(Record::to("t").value(&large)).await.unwrap();
    }
    let small = config()
        .fetch_bytes_max(1024)
        .partition_fetch_bytes_max(1024)
        .prefetch_bytes_max(2048);
    let consumer = assigned(&client, small, "t", &[0]).await;
    for offset in 0..3 {
        let record = consumer.consume_next(LONG).await.unwrap().unwrap();
        assert_eq!(
            (record.offset(), record.value().unwrap().len()),
            (offset, large.len())
        );
    }
}

#[tokio::test]
async fn more_than_fits_into_the_prefetch_comes_in_order() {
    let broker = start_broker().await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 20_000).await;
    let small = config()
        .partition_fetch_bytes_max(1024)
        .prefetch_bytes_max(4096);
    let consumer = assigned(&client, small, "t", &[0]).await;
    let all: Vec<u32> = (0..20_000).collect();
    assert_eq!(consume(&consumer, 20_000).await, all);
    expect_nothing(&consumer).await;
}

#[tokio::test]
async fn pitfall_27_a_waiting_stream_is_woken_by_every_record() {
    let broker = start_broker().await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 1).await;
    let consumer = assigned(&client, config(), "t", &[0]).await;
    let mut stream = consumer.stream();
    let producer = Producer::new(&client, ProducerConfig::default()).unwrap();
    for expected in 0..300 {
        if expected > 0 {
            let value = expected.to_string();
            // The stream is polled while the record is on its way.
            let sent = producer
                .enqueue(Record::to("t").value(&value))
                .await
                .unwrap();
            let (record, sent) = tokio::join!(tokio::time::timeout(LONG, stream.next()), sent);
            sent.unwrap();
            assert_eq!(number(&record.expect("woken").unwrap().unwrap()), expected);
        } else {
            assert_eq!(number(&stream.next().await.unwrap().unwrap()), 0);
        }
    }
}

#[tokio::test]
async fn a_waiting_stream_ends_when_the_consumer_closes() {
    let broker = start_broker().await;
    let client = client(&broker);
    let consumer = assigned(&client, config(), "t", &[0]).await;
    let mut stream = consumer.stream();
    let (end, closed) = tokio::join!(stream.next(), consumer.close());
    assert!(end.is_none());
    closed.unwrap();
    assert!(matches!(consumer.poll(LONG).await, Err(Error::Closed)));
    assert!(matches!(
        consumer.consume_next(LONG).await,
        Err(Error::Closed)
    ));
    assert!(!consumer.is_alive());
    consumer.close().await.unwrap();
}

/// Records come, none twice and none missing, after these answers to fetches.
async fn check_fault(fault: Fault) {
    let broker = start_broker().await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let consumer = assigned(&client, config().fetch_wait_max(SHORT), "t", &[0]).await;
    assert_eq!(consume(&consumer, 10).await, (0..10).collect::<Vec<u32>>());
    let partition = TopicPartition::new("t", 0);
    broker.faults().times(ApiKey::Fetch, 3, fault);
    let seen = broker.faults().requests_seen(ApiKey::Fetch);
    eventually("fetches go on", || {
        broker.faults().requests_seen(ApiKey::Fetch) > seen + 3
    })
    .await;
    assert_eq!(consumer.position(&partition), Some(10), "{fault:?}");
    produce(&client, "t", 0, 10, 20).await;
    assert_eq!(
        consume(&consumer, 10).await,
        (10..20).collect::<Vec<u32>>(),
        "{fault:?}"
    );
}

#[tokio::test]
async fn pitfall_10_errors_of_leadership_never_move_the_position() {
    for code in [
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::UnknownLeaderEpoch,
        ErrorCode::UnknownTopicId,
        ErrorCode::OffsetNotAvailable,
        ErrorCode::KafkaStorageError,
    ] {
        check_fault(Fault::Fail(code)).await;
    }
}

#[tokio::test]
async fn pitfall_10_lost_connections_never_move_the_position() {
    check_fault(Fault::Disconnect).await;
    check_fault(Fault::DisconnectAfter).await;
}

#[tokio::test]
async fn pitfall_21_lost_sessions_are_made_anew() {
    check_fault(Fault::Fail(ErrorCode::FetchSessionIdNotFound)).await;
    check_fault(Fault::Fail(ErrorCode::InvalidFetchSessionEpoch)).await;
}

#[tokio::test]
async fn pitfall_21_without_sessions_fetches_are_full_and_do_not_spin() {
    let broker = start_broker_with(&[("max.incremental.fetch.session.cache.slots", "0")]).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let consumer = assigned(&client, config(), "t", &[0]).await;
    consume(&consumer, 10).await;
    let before = broker.faults().requests_seen(ApiKey::Fetch);
    expect_nothing(&consumer).await;
    let fetches = broker.faults().requests_seen(ApiKey::Fetch) - before;
    assert!(fetches <= 2, "{fetches} fetches while nothing came");
    produce(&client, "t", 0, 10, 20).await;
    assert_eq!(consume(&consumer, 10).await, (10..20).collect::<Vec<u32>>());
}

#[tokio::test]
async fn an_error_of_one_partition_is_returned_and_others_go_on() {
    let broker = start_broker_with(&[("num.partitions", "2")]).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    produce(&client, "t", 1, 0, 10).await;
    let none = config().auto_offset_reset(OffsetReset::None);
    let consumer = assigned(&client, none, "t", &[0, 1]).await;
    for _ in 0..2 {
        let error = consumer.poll(LONG).await.unwrap_err();
        assert!(matches!(error, Error::NoOffset { .. }), "{error}");
    }
    consumer
        .seek(&TopicPartition::new("t", 0), SeekTo::Offset(500))
        .await
        .unwrap();
    let error = consumer.poll(LONG).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OffsetOutOfRange), "{error}");
    consumer
        .seek(&TopicPartition::new("t", 1), SeekTo::Offset(4))
        .await
        .unwrap();
    assert_eq!(consume(&consumer, 6).await, (4..10).collect::<Vec<u32>>());
}

#[tokio::test]
async fn an_offset_out_of_range_goes_where_the_policy_says() {
    let broker = start_broker().await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let consumer = assigned(&client, config(), "t", &[0]).await;
    consumer
        .seek(&TopicPartition::new("t", 0), SeekTo::Offset(500))
        .await
        .unwrap();
    assert_eq!(consume(&consumer, 10).await, (0..10).collect::<Vec<u32>>());
}

#[tokio::test]
async fn a_topic_created_later_is_consumed_then() {
    let broker = start_broker_with(&[("auto.create.topics.enable", "true")]).await;
    let client = client(&broker);
    let consumer = assigned(&client, config(), "later", &[0]).await;
    expect_nothing(&consumer).await;
    produce(&client, "later", 0, 0, 3).await;
    assert_eq!(consume(&consumer, 3).await, [0, 1, 2]);
}

#[tokio::test]
async fn pitfall_26_dropping_ends_every_task_at_once() {
    let broker = start_broker().await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let consumer = assigned(&client, config().fetch_wait_max(LONG), "t", &[0]).await;
    consume(&consumer, 5).await;
    assert!(metrics.num_alive_tasks() > before);
    let started = std::time::Instant::now();
    drop(consumer);
    assert!(started.elapsed() < Duration::from_secs(1));
    // The shared connection may be new; all else must go.
    eventually("tasks end", || metrics.num_alive_tasks() <= before + 2).await;
}
