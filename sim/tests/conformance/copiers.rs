//! Consume, transform, produce: what is copied in transactions that hold the offsets as well is there
//! once, whoever crashes and whatever the group does meanwhile.

use crate::transactions::{config, on_each_version, producer, reader, values};
use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use milena_broker::ErrorCode;
use milena_client::TopicPartition;
use milena_client::consumer::{
    Consumer, ConsumerConfig, IsolationLevel, OffsetReset, Polled, SeekTo,
};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::transaction::{
    ConsumerGroupMetadata, Reason, TransactionError, TransactionalProducer,
};
use milena_sim::target::{Target, eventually, unique};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

const WAIT: Duration = Duration::from_secs(30);

/// A topic of numbered records in many small batches: a poll brings one at least.
async fn original(target: &Target, partitions: i32, records: usize) -> Result<String> {
    let topic = target.topic("original", partitions).await?;
    let config = ProducerConfig::default().batch_bytes_max(256);
    let producer = target.producer(config)?;
    for number in 0..records {
        let value = number.to_string();
        let partition = i32::try_from(number)? % partitions;
        let record = Record::to(&topic).value(&value).partition(partition);
        let _delivery = producer.enqueue(record).await?;
    }
    producer.close().await?;
    Ok(topic)
}

/// Copies a topic, in several lives that each end in the middle of a transaction: the copy holds
/// each record once.
#[tokio::test(flavor = "multi_thread")]
async fn a_copier_that_crashes_copies_everything_once() -> Result<()> {
    const RECORDS: usize = 400;
    const PARTITIONS: i32 = 2;
    on_each_version(async |target| {
        let from = original(&target, PARTITIONS, RECORDS).await?;
        let to = target.topic("copy", PARTITIONS).await?;

        let (group, id) = (unique("copiers"), unique("copier"));
        let mut copied = 0;
        for life in 0.. {
            let left = (life == 5).then_some(RECORDS - copied);
            copied += copy(&target, (&from, &to), &group, &id, left).await?;
            if left.is_some() {
                break;
            }
        }
        assert_eq!(copied, RECORDS);
        let level = IsolationLevel::ReadCommitted;
        let reader = reader(target.client(), &to, PARTITIONS, level).await?;
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for value in values(&reader, RECORDS).await? {
            *counts.entry(value.parse()?).or_default() += 1;
        }
        assert_eq!(counts.len(), RECORDS);
        Ok(())
    })
    .await
}

/// One life of a copier: a transaction and one that is left open or, in the last life, as many
/// as it takes to copy what is `left`.
async fn copy(
    target: &Target,
    (from, to): (&str, &str),
    group: &str,
    id: &str,
    left: Option<usize>,
) -> Result<usize> {
    let mut copied = 0;
    let client = target.new_client()?;
    let mut producer = TransactionalProducer::connect(&client, config(id)).await?;
    // A static member takes the place of its former life at once.
    let config = ConsumerConfig::group(group)
        .group_instance_id("copier")
        .auto_offset_reset(OffsetReset::Earliest)
        .enable_auto_commit(false)
        .poll_records_max(30);
    let consumer = Consumer::new(&client, config)?;
    consumer.subscribe([from]).await?;
    for round in 0.. {
        if left.is_some_and(|left| copied >= left) {
            break;
        }
        let polled = consumer.poll(WAIT).await?;
        ensure!(!polled.is_empty(), "nothing comes after {copied}");
        let metadata = consumer.group_metadata().context("a group")?;
        let transaction = producer.begin().await?;
        let mut offsets: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        let mut count = 0;
        for batch in polled.batches {
            let partition = batch.topic_partition().clone();
            for record in batch.into_records() {
                let record = record?;
                let value = record.value().context("a value")?;
                let copy = Record::to(to).value(&value).partition(record.partition());
                let _delivery = transaction.enqueue(copy).await?;
                offsets.insert(partition.clone(), record.offset() + 1);
                count += 1;
            }
        }
        let offsets: Vec<_> = offsets.into_iter().collect();
        transaction.send_offsets(&metadata, &offsets).await?;
        if left.is_none() && round == 1 {
            // It crashes: nothing is ended, nothing is said.
            client.close().await;
            return Ok(copied);
        }
        transaction.commit().await?;
        copied += count;
    }
    consumer.close().await?;
    producer.close().await?;
    Ok(copied)
}

/// Copiers of one group that come and go: who is in the middle of a transaction while the group moves
/// on cannot commit it, and the copy holds each record once.
#[tokio::test(flavor = "multi_thread")]
async fn copiers_that_rebalance_copy_everything_once() -> Result<()> {
    const RECORDS: usize = 600;
    const PARTITIONS: i32 = 4;
    on_each_version(async |target| {
        let from = original(&target, PARTITIONS, RECORDS).await?;
        let to = target.topic("copy", PARTITIONS).await?;

        let progress = Arc::new(watch::Sender::new(0));
        let fenced = Arc::new(AtomicUsize::new(0));
        let group = unique("shared-copiers");
        let mut copiers = Vec::new();
        for (from_when, until_when) in [(0, 250), (100, RECORDS), (200, RECORDS)] {
            let copier = Copier {
                // The first one is in the middle of a transaction when the second one comes.
                dawdles_from: (from_when == 0).then_some(100),
                fenced: Arc::clone(&fenced),
                target: Arc::clone(&target),
                from: from.clone(),
                to: to.clone(),
                group: group.clone(),
                progress: Arc::clone(&progress),
            };
            copiers.push(copier.run(from_when, until_when));
        }
        try_join_all(copiers).await?;
        assert!(fenced.load(Ordering::Relaxed) > 0, "nobody was fenced");
        let level = IsolationLevel::ReadCommitted;
        let reader = reader(target.client(), &to, PARTITIONS, level).await?;
        let mut copied: Vec<usize> = Vec::new();
        for value in values(&reader, RECORDS).await? {
            copied.push(value.parse()?);
        }
        copied.sort_unstable();
        assert_eq!(copied, (0..RECORDS).collect::<Vec<_>>());
        Ok(())
    })
    .await
}

/// One of several copiers of a group.
struct Copier {
    target: Arc<Target>,
    from: String,
    to: String,
    group: String,
    /// How many records all of them have copied.
    progress: Arc<watch::Sender<usize>>,
    /// When so many are copied, it waits within a transaction until the group has moved on, once.
    dawdles_from: Option<usize>,
    /// How many transactions were refused because the group had moved on.
    fenced: Arc<AtomicUsize>,
}

impl Copier {
    /// Copies from when so many are copied until so many are.
    async fn run(mut self, from_when: usize, until_when: usize) -> Result<()> {
        let reached = |count: &usize| *count >= from_when;
        self.progress.subscribe().wait_for(reached).await?;
        let mut producer = producer(&self.target, &unique("shared-copier")).await?;
        let config = ConsumerConfig::group(self.group.as_str())
            .auto_offset_reset(OffsetReset::Earliest)
            .enable_auto_commit(false)
            .poll_records_max(10);
        let consumer = Consumer::new(self.target.client(), config)?;
        consumer.subscribe([&self.from]).await?;
        while *self.progress.borrow() < until_when {
            let polled = consumer.poll(Duration::from_millis(50)).await?;
            if polled.is_empty() {
                continue;
            }
            let metadata = consumer.group_metadata().context("a group")?;
            let copied = *self.progress.borrow();
            let dawdles = self.dawdles_from.take_if(|from| *from <= copied).is_some();
            let moved_on = eventually("the group moves on", async || {
                let moved_on = consumer.health().generation > Some(metadata.generation());
                Ok((moved_on || !dawdles).then_some(()))
            });
            match self.copy(&mut producer, &metadata, polled, moved_on).await {
                Ok(_) if dawdles => bail!("offsets of a former generation were taken"),
                Ok(count) => self.progress.send_modify(|copied| *copied += count),
                Err(error) if error.is_aborted() => {
                    self.note(&error);
                    rewind(&consumer).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        consumer.close().await?;
        producer.close().await?;
        Ok(())
    }

    async fn copy(
        &self,
        producer: &mut TransactionalProducer,
        metadata: &ConsumerGroupMetadata,
        polled: Polled,
        then: impl Future,
    ) -> Result<usize, TransactionError> {
        let transaction = producer.begin().await?;
        let mut offsets: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        let mut count = 0;
        for batch in polled.batches {
            offsets.insert(batch.topic_partition().clone(), batch.next_offset());
            for record in batch.into_records().flatten() {
                let value = record.value().unwrap_or_default();
                let copy = Record::to(&self.to)
                    .value(&value)
                    .partition(record.partition());
                // What is not accepted fails the commit.
                let _accepted = transaction.enqueue(copy).await;
                count += 1;
            }
        }
        then.await;
        let offsets: Vec<_> = offsets.into_iter().collect();
        transaction.send_offsets(metadata, &offsets).await?;
        transaction.commit().await?;
        Ok(count)
    }

    /// Whoever is not of the group's generation may not commit its offsets.
    fn note(&self, error: &TransactionError) {
        if let Reason::Request(error) = error.reason()
            && matches!(
                error.code(),
                Some(ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId)
            )
        {
            self.fenced.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Back to what is committed: nothing of the aborted transaction counts.
async fn rewind(consumer: &Consumer) -> Result<()> {
    let assigned = consumer.assignment();
    for (partition, offset) in consumer.committed(&assigned).await? {
        let to = offset.map_or(SeekTo::Beginning, SeekTo::Offset);
        // One that is gone meanwhile is another member's to rewind.
        let _sought = consumer.seek(&partition, to).await;
    }
    Ok(())
}
