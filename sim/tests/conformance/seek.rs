//! Seeking: by offset, by time, to the ends; pausing; the record stream.

use anyhow::{Context, Result};
use futures_util::StreamExt;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset, SeekTo};
use milena_client::producer::{ProducerConfig, Record};
use milena_sim::target::{Target, all_partitions, on_target, take};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const WAIT: Duration = Duration::from_secs(30);

/// A topic with ten records, one a second.
async fn ten_records(target: &Target) -> Result<String> {
    let topic = target.topic("seek", 1).await?;
    let producer = target.producer(ProducerConfig::default())?;
    for number in 0..10_i64 {
        let value = number.to_string();
        let record = Record::to(&topic)
            .value(&value)
            .timestamp(1_000_000 + number * 1_000);
        producer.send(record).await?;
    }
    producer.close().await?;
    Ok(topic)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_seeks_by_offset_and_time_and_to_the_ends() -> Result<()> {
    on_target(async |target| {
        let topic = ten_records(&target).await?;
        let partition = &all_partitions(&topic, 1)[0];
        let reader = target.reader(&topic, 1).await?;
        assert_eq!(take(&reader, 1).await?[0].offset(), 0);
        for (to, expected) in [
            (SeekTo::Offset(7), 7),
            (SeekTo::Beginning, 0),
            (SeekTo::Timestamp(1_004_000), 4),
            (SeekTo::Timestamp(1_004_001), 5),
            (SeekTo::Timestamp(0), 0),
        ] {
            reader.seek(partition, to).await?;
            assert_eq!(take(&reader, 1).await?[0].offset(), expected, "{to:?}");
            assert_eq!(reader.position(partition), Some(expected + 1), "{to:?}");
        }
        for to in [SeekTo::End, SeekTo::Timestamp(9_000_000)] {
            reader.seek(partition, to).await?;
            let nothing = reader.consume_next(Duration::from_millis(300)).await?;
            assert!(nothing.is_none(), "{to:?}");
            assert_eq!(reader.position(partition), Some(10), "{to:?}");
        }
        let watermarks = reader.watermarks(partition, WAIT).await?;
        assert_eq!((watermarks.low, watermarks.high), (0, 10));
        let found = reader.offset_for_time(partition, 1_002_500, WAIT).await?;
        assert_eq!(found, Some(3));
        reader.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_partition_hands_out_nothing() -> Result<()> {
    on_target(async |target| {
        let topic = ten_records(&target).await?;
        let partitions = all_partitions(&topic, 1);
        let reader = target.reader(&topic, 1).await?;
        take(&reader, 2).await?;
        reader.pause(&partitions)?;
        let nothing = reader.consume_next(Duration::from_millis(300)).await?;
        assert!(nothing.is_none());
        reader.resume(&partitions)?;
        assert_eq!(take(&reader, 1).await?[0].offset(), 2);
        reader.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_yields_every_record_and_waits_for_more() -> Result<()> {
    on_target(async |target| {
        let topic = ten_records(&target).await?;
        let reader = target.reader(&topic, 1).await?;
        let mut stream = reader.stream();
        for expected in 0..10 {
            let record = stream.next().await.context("the stream ended")??;
            assert_eq!(record.offset(), expected);
        }
        let producer = target.producer(ProducerConfig::default())?;
        let (sent, read) = tokio::join!(
            producer.send(Record::to(&topic).value("late")),
            stream.next()
        );
        sent?;
        assert_eq!(read.context("the stream ended")??.offset(), 10);
        producer.close().await?;
        reader.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_partition_is_told_once_for_each_end() -> Result<()> {
    on_target(async |target| {
        let topic = ten_records(&target).await?;
        let config = ConsumerConfig::new()
            .auto_offset_reset(OffsetReset::Earliest)
            .enable_partition_end(true);
        let consumer = Consumer::new(target.client(), config)?;
        consumer.assign(all_partitions(&topic, 1)).await?;
        let producer = target.producer(ProducerConfig::default())?;
        for expected_end in [10, 11] {
            let mut ends = Vec::new();
            while ends.is_empty() {
                let polled = consumer.poll(WAIT).await?;
                assert!(!polled.is_empty(), "no end within {WAIT:?}");
                ends = polled.ends;
            }
            let offsets: Vec<i64> = ends.iter().map(|end| end.offset).collect();
            assert_eq!(offsets, [expected_end]);
            let silence = consumer.poll(Duration::from_millis(300)).await?;
            assert!(silence.is_empty(), "told again: {silence:?}");
            producer.send(Record::to(&topic).value("one more")).await?;
        }
        producer.close().await?;
        consumer.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_by_duration_starts_at_the_first_record_that_is_not_older() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("by-duration", 1).await?;
        let producer = target.producer(ProducerConfig::default())?;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        for minutes_ago in [90, 40, 10, 0] {
            let record = Record::to(&topic).timestamp(now - minutes_ago * 60_000);
            producer.send(record.value("v")).await?;
        }
        producer.close().await?;
        for (minutes, expected) in [(60, 1), (30, 2), (24 * 60, 0)] {
            let age = Duration::from_secs(minutes * 60);
            let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::ByDuration(age));
            let consumer = Consumer::new(target.client(), config)?;
            consumer.assign(all_partitions(&topic, 1)).await?;
            assert_eq!(
                take(&consumer, 1).await?[0].offset(),
                expected,
                "{minutes} min"
            );
            consumer.close().await?;
        }
        Ok(())
    })
    .await
}
