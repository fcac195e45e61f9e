//! Seeking: by offset, by time, to the ends; pausing; the record stream.

use anyhow::{Context, Result};
use futures_util::StreamExt;
use milena_client::consumer::SeekTo;
use milena_client::producer::{ProducerConfig, Record};
use milena_sim::target::{Target, all_partitions, on_target, take};
use std::time::Duration;

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
        assert_eq!(take(&reader, 1).await?[0].offset, 0);
        for (to, expected) in [
            (SeekTo::Offset(7), 7),
            (SeekTo::Beginning, 0),
            (SeekTo::Timestamp(1_004_000), 4),
            (SeekTo::Timestamp(1_004_001), 5),
            (SeekTo::Timestamp(0), 0),
        ] {
            reader.seek(partition, to).await?;
            assert_eq!(take(&reader, 1).await?[0].offset, expected, "{to:?}");
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
        assert_eq!(take(&reader, 1).await?[0].offset, 2);
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
            assert_eq!(record.offset, expected);
        }
        let producer = target.producer(ProducerConfig::default())?;
        let (sent, read) = tokio::join!(
            producer.send(Record::to(&topic).value("late")),
            stream.next()
        );
        sent?;
        assert_eq!(read.context("the stream ended")??.offset, 10);
        producer.close().await?;
        reader.close().await?;
        Ok(())
    })
    .await
}
