//! Compacted topics: of each key the last record stays, at its offset; tombstones go after a while.

use anyhow::{Context, Result};
use milena_client::admin::{NewTopic, OffsetAt};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{ProducerConfig, Record};
use milena_sim::target::{Target, all_partitions, eventually, on_target, unique};
use std::time::Duration;

/// Apart by more than a segment may span, so that what was written before is in one that is full.
const STEP_MS: i64 = 600_000;
const SEGMENT_MS: &str = "300000";

/// Writes `key=value` records, `key` alone for a tombstone, all of one time.
async fn write(target: &Target, topic: &str, timestamp: i64, records: &[&str]) -> Result<()> {
    let producer = target.producer(ProducerConfig::default())?;
    for record in records {
        let (key, value) = match record.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (*record, None),
        };
        let mut record = Record::to(topic).key(key).timestamp(timestamp).partition(0);
        if let Some(value) = value {
            record = record.value(value);
        }
        producer.send(record).await?;
    }
    producer.close().await?;
    Ok(())
}

/// All that is in the topic, with offsets.
async fn content(target: &Target, topic: &str) -> Result<Vec<String>> {
    let partitions = all_partitions(topic, 1);
    let admin = target.admin();
    let end = admin
        .list_offsets(&partitions, OffsetAt::Latest)
        .await?
        .remove(0)
        .1?;
    let end = end.context("no end")?;
    let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest);
    let reader = Consumer::new(target.client(), config)?;
    reader.assign(partitions).await?;
    let mut content = Vec::new();
    loop {
        let next = reader.consume_next(Duration::from_secs(10)).await?;
        let record = next.context("the last record is always there")?;
        let text = |bytes: Option<&[u8]>| {
            let bytes = bytes.unwrap_or(b"-");
            String::from_utf8_lossy(bytes).into_owned()
        };
        let (key, value) = (text(record.key()), text(record.value()));
        content.push(format!("{}:{key}={value}", record.offset()));
        if record.offset() + 1 >= end {
            reader.close().await?;
            return Ok(content);
        }
    }
}

async fn until_content(target: &Target, topic: &str, expected: &[&str]) -> Result<()> {
    eventually(&format!("{topic} holds {expected:?}"), async || {
        let content = content(target, topic).await?;
        Ok((content == expected).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_each_key_the_last_record_stays() -> Result<()> {
    on_target(async |target| {
        let name = unique("compacted");
        let topic = NewTopic::new(&name)
            .partitions(1)
            .config("cleanup.policy", "compact")
            .config("segment.ms", SEGMENT_MS)
            .config("min.cleanable.dirty.ratio", "0.01")
            .config("delete.retention.ms", "1000");
        target.create(topic).await?;
        let start = 1_700_000_000_000;
        let first = ["a=1", "b=1", "a=2", "c=1", "b=2", "c"];
        write(&target, &name, start, &first).await?;
        // The last segment is not compacted.
        write(&target, &name, start + STEP_MS, &["d=1", "a=3"]).await?;
        until_content(
            &target,
            &name,
            &["2:a=2", "4:b=2", "5:c=-", "6:d=1", "7:a=3"],
        )
        .await?;

        // A deletion is seen for a while; then a later pass takes its last trace away.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        write(&target, &name, start + 2 * STEP_MS, &["e=1"]).await?;
        until_content(&target, &name, &["4:b=2", "6:d=1", "7:a=3", "8:e=1"]).await?;
        let partitions = all_partitions(&name, 1);
        let admin = target.admin();
        let starts = admin.list_offsets(&partitions, OffsetAt::Earliest).await?;
        assert_eq!(starts[0].1.as_ref().ok(), Some(&Some(0)));

        let producer = target.producer(ProducerConfig::default())?;
        let keyless = producer.send(Record::to(&name).value("x")).await;
        let error = keyless.expect_err("it could never be superseded");
        assert!(error.to_string().contains("INVALID_RECORD"), "{error}");
        Ok(())
    })
    .await
}
