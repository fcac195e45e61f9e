//! Seeking, pausing, and knowing where things are.

use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset, SeekTo, Watermarks};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Error, TopicPartition};

use crate::consumer_support::{
    LONG, assigned, client, config, consume, expect_nothing, number, produce,
};
use crate::support::{start_broker, start_broker_with};

#[tokio::test]
async fn seeks_go_everywhere() {
    let broker = start_broker().await;
    let client = client(&broker);
    let producer = Producer::new(&client, ProducerConfig::default()).unwrap();
    for number in 0..10 {
        let value = number.to_string();
        let record = Record::to("t").value(&value).timestamp(1000 + 10 * number);
        producer.send(record).await.unwrap();
    }
    let consumer = assigned(&client, config(), "t", &[0]).await;
    let partition = TopicPartition::new("t", 0);
    let next = async |to: SeekTo| {
        consumer.seek(&partition, to).await.unwrap();
        consume(&consumer, 1).await[0]
    };
    assert_eq!(next(SeekTo::Beginning).await, 0);
    assert_eq!(next(SeekTo::Offset(7)).await, 7);
    assert_eq!(next(SeekTo::Timestamp(1035)).await, 4);
    assert_eq!(next(SeekTo::Offset(9)).await, 9);
    consumer.seek(&partition, SeekTo::Offset(2)).await.unwrap();
    assert_eq!(consumer.position(&partition), Some(2));
    for to in [SeekTo::End, SeekTo::Timestamp(99_999)] {
        consumer.seek(&partition, to).await.unwrap();
        expect_nothing(&consumer).await;
        assert_eq!(consumer.position(&partition), Some(10), "{to:?}");
    }
    let error = consumer
        .seek(&TopicPartition::new("t", 9), SeekTo::End)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::InvalidState { .. }), "{error}");
    consumer
        .seek(&partition, SeekTo::Offset(-1))
        .await
        .unwrap_err();
}

/// With a seek behind `assign`, the fetch at the end that the reset policy names would wait first.
#[tokio::test]
async fn partitions_start_where_they_are_assigned_from() {
    let broker = start_broker_with(&[("num.partitions", "2")]).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 5).await;
    produce(&client, "t", 1, 0, 5).await;
    let partitions = [0, 1].map(|index| TopicPartition::new("t", index));
    let [first, second] = &partitions;
    let config = ConsumerConfig::new()
        .auto_offset_reset(OffsetReset::Latest)
        .fetch_wait_max(2 * LONG);
    let consumer = Consumer::new(&client, config).unwrap();
    let start = |partition: &TopicPartition, to| (partition.clone(), to);
    let starts = vec![start(first, SeekTo::Offset(3))];
    consumer.assign_from(starts).await.unwrap();
    assert_eq!(consume(&consumer, 2).await, [3, 4]);

    let starts = vec![start(first, SeekTo::End), start(second, SeekTo::Offset(-1))];
    let refused = consumer.assign_from(starts).await.unwrap_err();
    assert!(matches!(refused, Error::InvalidState { .. }), "{refused}");
    assert_eq!(consumer.assignment(), std::slice::from_ref(first));
    assert_eq!(consumer.position(first), Some(5));
    consumer.close().await.unwrap();

    // Those that are assigned go elsewhere, too.
    let consumer = assigned(&client, self::config(), "t", &[0]).await;
    assert_eq!(consume(&consumer, 2).await, [0, 1]);
    let starts = vec![start(first, SeekTo::Offset(4)), start(second, SeekTo::End)];
    consumer.assign_from(starts).await.unwrap();
    assert_eq!(consume(&consumer, 1).await, [4]);
    expect_nothing(&consumer).await;
    let positions = partitions.each_ref().map(|one| consumer.position(one));
    assert_eq!(positions, [Some(5), Some(5)]);
}

#[tokio::test]
async fn a_paused_partition_waits_while_others_go_on() {
    let broker = start_broker_with(&[("num.partitions", "2")]).await;
    let client = client(&broker);
    let (paused, other) = (TopicPartition::new("t", 0), TopicPartition::new("t", 1));
    produce(&client, "t", 0, 0, 10).await;
    let consumer = assigned(&client, config(), "t", &[0, 1]).await;
    assert_eq!(consume(&consumer, 4).await, [0, 1, 2, 3]);
    consumer.pause(std::slice::from_ref(&paused)).unwrap();
    assert_eq!(consumer.paused(), std::slice::from_ref(&paused));
    expect_nothing(&consumer).await;
    produce(&client, "t", 1, 100, 103).await;
    assert_eq!(consume(&consumer, 3).await, [100, 101, 102]);
    assert_eq!(
        (consumer.position(&paused), consumer.position(&other)),
        (Some(4), Some(3))
    );
    consumer.resume(&[paused]).unwrap();
    assert_eq!(consume(&consumer, 6).await, [4, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn ends_and_times_can_be_asked_for() {
    let broker = start_broker().await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let consumer = Consumer::new(&client, config()).unwrap();
    let partition = TopicPartition::new("t", 0);
    let ends = consumer.watermarks(&partition, LONG).await.unwrap();
    assert_eq!(ends, Watermarks { low: 0, high: 10 });
    let first = consumer.offset_for_time(&partition, 0, LONG).await.unwrap();
    assert_eq!(first, Some(0));
    let none = consumer
        .offset_for_time(&partition, i64::MAX, LONG)
        .await
        .unwrap();
    assert_eq!(none, None);
    let error = consumer.commit().await.unwrap_err();
    assert!(matches!(error, Error::InvalidState { .. }), "{error}");
    consumer.subscribe(["t"]).await.unwrap_err();
}

#[tokio::test]
async fn position_means_handed_out() {
    let broker = start_broker().await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 10).await;
    let consumer = assigned(&client, config(), "t", &[0]).await;
    let partition = TopicPartition::new("t", 0);
    for expected in 0..10 {
        let record = consumer.consume_next(LONG).await.unwrap().unwrap();
        assert_eq!(number(&record), expected);
        assert_eq!(consumer.position(&partition), Some(i64::from(expected) + 1));
        assert_eq!(consumer.lag(&partition), Some(u64::from(9 - expected)));
    }
}

#[tokio::test]
async fn assigning_anew_keeps_what_stays() {
    let broker = start_broker_with(&[("num.partitions", "2")]).await;
    let client = client(&broker);
    produce(&client, "t", 0, 0, 4).await;
    produce(&client, "t", 1, 10, 12).await;
    let consumer = assigned(&client, config(), "t", &[0]).await;
    assert_eq!(consume(&consumer, 2).await, [0, 1]);
    let both = [TopicPartition::new("t", 0), TopicPartition::new("t", 1)];
    consumer.assign(both.to_vec()).await.unwrap();
    assert_eq!(consumer.assignment(), both);
    let mut rest = consume(&consumer, 4).await;
    rest.sort_unstable();
    assert_eq!(rest, [2, 3, 10, 11]);
    consumer.assign(vec![]).await.unwrap();
    produce(&client, "t", 0, 4, 5).await;
    expect_nothing(&consumer).await;
}
