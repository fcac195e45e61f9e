//! Large records, many partitions, small limits.

use anyhow::Result;
use milena_client::Compression;
use milena_client::admin::NewTopic;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{ProduceErrorKind, ProducerConfig, Record};
use milena_sim::target::{all_partitions, on_target, take, unique};
use std::collections::BTreeSet;

const LARGE_BYTES: usize = 900_000;

/// Bytes that do not compress away.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..bytes).map(|_| random.u8(..)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_beyond_the_fetch_size_come_one_by_one() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("large", 2).await?;
        let config = ProducerConfig::default().compression(Compression::Lz4, None);
        let producer = target.producer(config)?;
        for seed in 0..6 {
            let partition = i32::try_from(seed % 2)?;
            let value = noise(seed, LARGE_BYTES);
            let record = Record::to(&topic).value(&value).partition(partition);
            producer.send(record).await?;
        }
        producer.close().await?;

        let config = ConsumerConfig::new()
            .auto_offset_reset(OffsetReset::Earliest)
            .partition_fetch_bytes_max(64 * 1024)
            .fetch_bytes_max(128 * 1024)
            .prefetch_bytes_max(256 * 1024);
        let reader = Consumer::new(target.client(), config)?;
        reader.assign(all_partitions(&topic, 2)).await?;
        for record in take(&reader, 6).await? {
            let seed = u64::try_from(record.offset() * 2 + i64::from(record.partition()))?;
            assert!(
                record.value() == Some(&noise(seed, LARGE_BYTES)[..]),
                "record {seed} differs"
            );
        }
        reader.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_fit_is_refused_and_the_next_one_is_sent() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("too-large", 1).await?;
        let producer = target.producer(ProducerConfig::default())?;
        let value = vec![b'x'; 3 * LARGE_BYTES];
        let error = producer
            .send(Record::to(&topic).value(&value))
            .await
            .expect_err("it is larger than max.request.size");
        assert!(
            matches!(error.kind(), ProduceErrorKind::RecordTooLarge { .. }),
            "{error}"
        );
        let metadata = producer.send(Record::to(&topic).value("fits")).await?;
        assert_eq!(metadata.offset(), Some(0));
        producer.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn many_partitions_are_all_written_and_read() -> Result<()> {
    const PARTITIONS: i32 = 64;
    on_target(async |target| {
        let topic = target.topic("many", PARTITIONS).await?;
        let producer = target.producer(ProducerConfig::default())?;
        let mut deliveries = Vec::new();
        for number in 0..PARTITIONS * 10 {
            let value = number.to_string();
            let record = Record::to(&topic)
                .value(&value)
                .partition(number % PARTITIONS);
            deliveries.push(producer.enqueue(record).await?);
        }
        for delivery in deliveries {
            delivery.await?;
        }
        producer.close().await?;
        let records = target.read(&topic, PARTITIONS, 640).await?;
        let places: BTreeSet<(i32, i64)> = records
            .iter()
            .map(|record| (record.partition(), record.offset()))
            .collect();
        assert_eq!(places.len(), 640);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_too_large_for_the_topic_are_split_and_keep_their_order() -> Result<()> {
    on_target(async |target| {
        let topic = unique("small-batches");
        let new = NewTopic::new(&topic).config("max.message.bytes", "2000");
        target.create(new).await?;
        for compression in [Compression::None, Compression::Zstd] {
            let config = ProducerConfig::default().compression(compression, None);
            let producer = target.producer(config)?;
            let mut deliveries = Vec::new();
            for number in 0..200_u64 {
                let mut value = noise(number, 100);
                value[..8].copy_from_slice(&number.to_be_bytes());
                let record = Record::to(&topic).partition(0).value(&value);
                deliveries.push(producer.enqueue(record).await?);
            }
            let large = noise(1000, 3000);
            let record = Record::to(&topic).partition(0).value(&large);
            let too_large = producer.enqueue(record).await?;
            let mut offsets = Vec::new();
            for delivery in deliveries {
                offsets.extend(delivery.await?.offset());
            }
            let expected: Vec<i64> = (offsets[0]..offsets[0] + 200).collect();
            assert_eq!(offsets, expected, "{compression}");
            let error = too_large.await.expect_err("no half of it is smaller");
            assert!(error.to_string().contains("MESSAGE_TOO_LARGE"), "{error}");
            producer
                .send(Record::to(&topic).partition(0).value("goes on"))
                .await?;
            producer.close().await?;
        }
        let reader = target.reader(&topic, 1).await?;
        let read = take(&reader, 402).await?;
        let numbers = read.iter().filter_map(|record| {
            let value = record.value()?;
            (value.len() == 100)
                .then(|| value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)))
        });
        let numbers: Vec<u64> = numbers.flatten().collect();
        let expected: Vec<u64> = (0..200).chain(0..200).collect();
        assert_eq!(numbers, expected);
        reader.close().await?;
        Ok(())
    })
    .await
}
