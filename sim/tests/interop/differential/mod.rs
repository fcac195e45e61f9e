//! Differential tests: what one client writes, the others read back byte for byte, on the embedded
//! broker or the cluster that `MILENA_TEST_BROKERS` names.

mod compaction;
mod groups;
mod line;
mod partitions;
mod peers;
mod shapes;

use anyhow::{Context, Result, ensure};
use line::{CREATE_TIME, Line};
use milena_client::Compression;
use milena_client::TopicPartition;
use milena_client::admin::NewTopic;
use milena_client::producer::{Header, ProducerConfig, Record};
use milena_sim::target::{Target, all_partitions, unique};
use peers::Peer;
use std::time::Duration;
use tokio::time::Instant;

const PARTITIONS: i32 = 2;
/// The Java client's choice, and ours.
const PARTITIONER: &str = "murmur2_random";
const END_WAIT: Duration = Duration::from_secs(30);
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// A topic with settings of its own.
async fn topic(name: &str, settings: &[(&str, &str)]) -> Result<(Target, String)> {
    let target = Target::start().await?;
    let topic = unique(name);
    let mut new = NewTopic::new(&topic).partitions(PARTITIONS);
    for (name, value) in settings {
        new = new.config(*name, *value);
    }
    target.create(new).await?;
    Ok((target, topic))
}

/// Writes `lines` with our producer; the partition and offset of each.
async fn produce(
    target: &Target,
    topic: &str,
    codec: Compression,
    lines: &[Line],
) -> Result<Vec<(i32, i64)>> {
    let config = ProducerConfig::default().compression(codec, None);
    produce_with(target, topic, config, lines).await
}

async fn produce_with(
    target: &Target,
    topic: &str,
    config: ProducerConfig,
    lines: &[Line],
) -> Result<Vec<(i32, i64)>> {
    let config = config.linger(Duration::from_millis(20));
    let producer = target.producer(config)?;
    let mut deliveries = Vec::new();
    for line in lines {
        let headers: Vec<Header<'_>> = line
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        let mut record = Record::to(topic)
            .timestamp(line.timestamp)
            .headers(&headers);
        record.key = line.key.as_deref();
        record.value = line.value.as_deref();
        record.partition = Some(line.partition).filter(|partition| *partition >= 0);
        deliveries.push(producer.enqueue(record).await?);
    }
    let mut places = Vec::new();
    for delivery in deliveries {
        let metadata = delivery.await?;
        places.push((
            metadata.partition(),
            metadata.offset().context("no offset")?,
        ));
    }
    producer.close().await?;
    Ok(places)
}

/// Reads every partition to its end with our consumer; sorted by place.
async fn consume(target: &Target, topic: &str) -> Result<Vec<Line>> {
    let reader = target.reader(topic, PARTITIONS).await?;
    let mut ends = Vec::new();
    for partition in all_partitions(topic, PARTITIONS) {
        let end = reader.watermarks(&partition, END_WAIT).await?.high;
        ends.push((partition, end));
    }
    let is_open =
        |(partition, end): &(TopicPartition, i64)| reader.position(partition).unwrap_or(0) < *end;
    let mut lines = Vec::new();
    let deadline = Instant::now() + END_WAIT;
    while ends.iter().any(is_open) {
        for batch in reader.poll(POLL_TIMEOUT).await?.batches {
            for record in batch.into_records() {
                lines.push(Line::of(&record?)?);
            }
        }
        ensure!(Instant::now() < deadline, "{topic} was not read to its end");
    }
    reader.close().await?;
    lines.sort();
    Ok(lines)
}

/// What has to be read after `lines` were written to `places`, sorted by place.
fn placed(lines: &[Line], places: &[(i32, i64)]) -> Vec<Line> {
    let mut placed: Vec<Line> = lines.to_vec();
    for (line, (partition, offset)) in placed.iter_mut().zip(places) {
        line.partition = *partition;
        line.offset = *offset;
    }
    placed.sort();
    placed
}

fn same(reader: &str, read: &[Line], expected: &[Line]) -> Result<()> {
    for (read, expected) in read.iter().zip(expected) {
        ensure!(read == expected, "{reader} read\n{read}\nnot\n{expected}");
    }
    ensure!(
        read.len() == expected.len(),
        "{reader} read {} records, not {}",
        read.len(),
        expected.len()
    );
    Ok(())
}

/// Everybody reads `expected` from `topic`.
async fn all_read(target: &Target, topic: &str, expected: &[Line]) -> Result<()> {
    same("Milena", &consume(target, topic).await?, expected)?;
    for peer in Peer::present() {
        let bootstrap = target.bootstrap();
        let read = peer
            .consume(bootstrap, topic, PARTITIONS, expected.len())
            .await?;
        same(&format!("{peer:?}"), &read, expected)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_write_peers_read_in_every_codec_and_shape() -> Result<()> {
    for codec in Compression::ALL {
        let (target, topic) = topic("ours", &[]).await?;
        let lines = shapes::lines();
        let places = produce(&target, &topic, codec, &lines).await?;
        let read = all_read(&target, &topic, &placed(&lines, &places)).await;
        read.with_context(|| codec.to_string())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_peers_write_we_read_in_every_codec_and_shape() -> Result<()> {
    for peer in Peer::present() {
        for codec in Compression::ALL {
            let (target, topic) = topic("theirs", &[]).await?;
            let lines = shapes::lines();
            let name = codec.to_string();
            let places = peer
                .produce(target.bootstrap(), &topic, &name, PARTITIONER, &lines)
                .await?;
            let read = consume(&target, &topic).await?;
            let same = same("Milena", &read, &placed(&lines, &places));
            same.with_context(|| format!("{peer:?} wrote {codec}"))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_see_the_same_log_append_times() -> Result<()> {
    let settings = [("message.timestamp.type", "LogAppendTime")];
    for codec in [Compression::None, Compression::Zstd] {
        let (target, topic) = topic("append-time", &settings).await?;
        let lines = shapes::lines();
        let places = produce(&target, &topic, codec, &lines).await?;
        let read = consume(&target, &topic).await?;
        // The broker's time is whatever it is, but everybody is told the same one.
        let mut expected = placed(&lines, &places);
        for (line, read) in expected.iter_mut().zip(&read) {
            assert_ne!(read.timestamp_type, CREATE_TIME);
            assert_ne!(read.timestamp, line.timestamp);
            line.timestamp_type.clone_from(&read.timestamp_type);
            line.timestamp = read.timestamp;
        }
        all_read(&target, &topic, &expected).await?;
    }
    Ok(())
}
