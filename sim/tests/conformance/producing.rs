//! What a producer offers beside a future: callbacks, and other ways to spread records.

use anyhow::Result;
use milena_client::partitioner::{KeyHash, Keyless, Partitioning};
use milena_client::producer::{ProduceError, ProducerConfig, Record, RecordMetadata};
use milena_sim::target::on_target;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_come_in_order_and_before_close_returns() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("callbacks", 1).await?;
        let producer = target.producer(ProducerConfig::default())?;
        let calls = Arc::new(Mutex::new(Vec::new()));
        for number in 0..1000_i64 {
            let calls = Arc::clone(&calls);
            let value = number.to_string();
            let note = move |result: Result<RecordMetadata, ProduceError>| {
                assert_ne!(number, 500, "a callback that panics harms no other");
                let offset = result.map(|written| written.offset());
                let mut calls = calls.lock().expect("no callback panics with the lock");
                calls.push((number, offset.map_err(|error| error.to_string())));
            };
            let record = Record::to(&topic).value(&value);
            producer.enqueue_with_callback(record, note).await?;
        }
        producer.close().await?;
        let calls = std::mem::take(&mut *calls.lock().expect("no callback panics with the lock"));
        let expected = (0..1000).filter(|number| *number != 500);
        let expected: Vec<_> = expected.map(|number| (number, Ok(Some(number)))).collect();
        assert_eq!(calls, expected);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn round_robin_takes_every_partition_in_turn_whatever_the_key() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("round-robin", 4).await?;
        let config = ProducerConfig::default().partitioning(Partitioning::RoundRobin);
        let producer = target.producer(config)?;
        let mut partitions = Vec::new();
        for _ in 0..8 {
            let written = producer.send(Record::to(&topic).key(b"same")).await?;
            partitions.push(written.partition());
        }
        let expected: Vec<_> = (0..8).map(|step| (partitions[0] + step) % 4).collect();
        assert_eq!(partitions, expected);
        producer.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_a_key_stick_for_a_batch_and_reach_every_partition() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("sticky", 4).await?;
        let config = ProducerConfig::default().batch_bytes_max(2048);
        let producer = target.producer(config)?;
        let value = [b'v'; 100];
        let mut deliveries = Vec::new();
        for _ in 0..4000 {
            deliveries.push(producer.enqueue(Record::to(&topic).value(&value)).await?);
        }
        let mut partitions = Vec::new();
        for delivery in deliveries {
            partitions.push(delivery.await?.partition());
        }
        let moves = partitions.windows(2).filter(|pair| pair[0] != pair[1]);
        // A record counts at its longest, so that about 14 fill a batch.
        let moves = moves.count();
        assert!((100..=400).contains(&moves), "moved {moves} times");
        let reached: BTreeSet<_> = partitions.into_iter().collect();
        assert_eq!(reached.len(), 4);
        producer.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stays_on_the_partition_of_its_hash() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("hashes", 12).await?;
        for hash in [KeyHash::Murmur2, KeyHash::Crc32, KeyHash::Fnv1a] {
            let keyless = Keyless::Hashed;
            let config =
                ProducerConfig::default().partitioning(Partitioning::Hash { hash, keyless });
            let producer = target.producer(config)?;
            let empty = producer
                .send(Record::to(&topic).key(b""))
                .await?
                .partition();
            for _ in 0..3 {
                let none = producer.send(Record::to(&topic)).await?.partition();
                assert_eq!(none, empty, "{hash:?} without a key");
            }
            producer.close().await?;
        }
        Ok(())
    })
    .await
}
