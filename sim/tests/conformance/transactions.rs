//! Transactions: all or nothing, for records and for the offsets of what they were made from.

use anyhow::{Context, Result, ensure};
use milena_broker::{ApiKey, ErrorCode, Fault};
use milena_client::consumer::{
    Consumer, ConsumerConfig, IsolationLevel, OffsetReset, Polled, SeekTo,
};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::transaction::{
    ConsumerGroupMetadata, Outcome, TransactionError, TransactionalProducer,
};
use milena_client::{Admin, Client, ClientConfig, Compression, TopicPartition};
use milena_sim::target::{Target, all_partitions, eventually, on_target_with, take, unique};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

const WAIT: Duration = Duration::from_secs(30);
/// How long nothing may come before a test takes it for certain that nothing will.
const QUIET: Duration = Duration::from_millis(300);

fn config(id: &str) -> ProducerConfig {
    ProducerConfig::default()
        .transactional_id(id)
        .linger(Duration::from_millis(1))
}

/// Runs `test` with transactions of KIP-98 and of KIP-890. A cluster has one of them: Apache
/// Kafka 3 the former, 4 the latter.
async fn on_each_version<F, T>(test: F) -> Result<()>
where
    F: Fn(Arc<Target>) -> T,
    T: Future<Output = Result<()>>,
{
    on_target_with(&[("transaction.version", "1")], &test)
        .await
        .context("with transaction.version=1")?;
    if std::env::var_os(milena_sim::target::BROKERS_VARIABLE).is_some() {
        return Ok(());
    }
    on_target_with(&[("transaction.version", "2")], &test)
        .await
        .context("with transaction.version=2")
}

async fn producer(target: &Target, id: &str) -> Result<TransactionalProducer> {
    Ok(TransactionalProducer::connect(target.client(), config(id)).await?)
}

/// A reader of all partitions from the beginning.
async fn reader(
    client: &Client,
    topic: &str,
    partitions: i32,
    level: IsolationLevel,
) -> Result<Consumer> {
    let config = ConsumerConfig::new()
        .auto_offset_reset(OffsetReset::Earliest)
        .isolation_level(level);
    let consumer = Consumer::new(client, config)?;
    consumer.assign(all_partitions(topic, partitions)).await?;
    Ok(consumer)
}

/// The values of the next `count` records, sorted; no more come.
async fn values(consumer: &Consumer, count: usize) -> Result<Vec<String>> {
    let mut values = Vec::new();
    for record in take(consumer, count).await? {
        let value = record.value.context("a value")?;
        values.push(String::from_utf8(value.to_vec())?);
    }
    let more = consumer.consume_next(QUIET).await?;
    ensure!(more.is_none(), "{more:?} came, too");
    values.sort();
    Ok(values)
}

async fn send_all(
    producer: &mut TransactionalProducer,
    topic: &str,
    partitions: i32,
    name: &str,
    outcome: Outcome,
) -> Result<()> {
    let transaction = producer.begin().await?;
    for partition in 0..partitions {
        for number in 0..3 {
            let value = format!("{name} {partition} {number}");
            let record = Record::to(topic).value(&value).partition(partition);
            let _delivery = transaction.enqueue(record).await?;
        }
    }
    match outcome {
        Outcome::Committed => transaction.commit().await?,
        _ => {
            // What is aborted has been written, or it proves nothing.
            for partition in 0..partitions {
                let record = Record::to(topic).value("last").partition(partition);
                transaction.send(record).await?;
            }
            transaction.abort().await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_read_and_what_is_aborted_is_not() -> Result<()> {
    on_each_version(async |target| {
        let topic = target.topic("transactions", 2).await?;
        let mut producer = producer(&target, &unique("atomic")).await?;
        use Outcome::{Aborted, Committed};
        let outcomes = [Committed, Aborted, Aborted, Committed, Committed, Aborted];
        let mut expected = Vec::new();
        for (round, outcome) in outcomes.into_iter().enumerate() {
            let name = format!("round {round}");
            send_all(&mut producer, &topic, 2, &name, outcome).await?;
            assert_eq!(producer.resolve().await?, Some(outcome));
            if outcome == Committed {
                let value = |index: usize| format!("{name} {} {}", index / 3, index % 3);
                expected.extend((0..6).map(value));
            }
        }
        expected.sort();
        let level = IsolationLevel::ReadCommitted;
        let committed = reader(target.client(), &topic, 2, level).await?;
        assert_eq!(values(&committed, expected.len()).await?, expected);
        // Aborted records are there for who asks for everything: six a round, and the last two.
        let level = IsolationLevel::ReadUncommitted;
        let all = reader(target.client(), &topic, 2, level).await?;
        assert_eq!(values(&all, 6 * 6 + 3 * 2).await?.len(), 42);
        producer.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn pitfall_24_compressed_batches_of_aborted_transactions_are_left_out() -> Result<()> {
    on_each_version(async |target| {
        for codec in [Compression::Lz4, Compression::Zstd, Compression::Gzip] {
            let topic = target.topic("compressed", 1).await?;
            let id = unique("compressed");
            let config = config(&id).compression(codec, None);
            let mut producer = TransactionalProducer::connect(target.client(), config).await?;
            send_all(&mut producer, &topic, 1, "first", Outcome::Aborted).await?;
            send_all(&mut producer, &topic, 1, "second", Outcome::Committed).await?;
            let level = IsolationLevel::ReadCommitted;
            let reader = reader(target.client(), &topic, 1, level).await?;
            let expected = ["second 0 0", "second 0 1", "second 0 2"];
            assert_eq!(values(&reader, 3).await?, expected, "{codec}");
            producer.close().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_holds_back_who_reads_what_is_committed() -> Result<()> {
    on_each_version(async |target| {
        let topic = target.topic("stable", 1).await?;
        let mut producer = producer(&target, &unique("stable")).await?;
        let level = IsolationLevel::ReadCommitted;
        let committed = reader(target.client(), &topic, 1, level).await?;
        let level = IsolationLevel::ReadUncommitted;
        let all = reader(target.client(), &topic, 1, level).await?;

        let transaction = producer.begin().await?;
        transaction
            .send(Record::to(&topic).value("undecided"))
            .await?;
        // Behind it, not part of it, and held back with it.
        let plain = target.producer(ProducerConfig::default())?;
        plain.send(Record::to(&topic).value("plain")).await?;
        assert_eq!(values(&all, 2).await?, ["plain", "undecided"]);
        assert!(committed.consume_next(QUIET).await?.is_none());
        transaction.commit().await?;
        assert_eq!(values(&committed, 2).await?, ["plain", "undecided"]);
        plain.close().await?;
        producer.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_transaction_is_aborted_before_the_next_begins() -> Result<()> {
    on_each_version(async |target| {
        let topic = target.topic("dropped", 1).await?;
        let mut producer = producer(&target, &unique("dropped")).await?;
        let transaction = producer.begin().await?;
        transaction
            .send(Record::to(&topic).value("dropped"))
            .await?;
        // This one has not left yet, and never will.
        let _unsent = transaction
            .enqueue(Record::to(&topic).value("unsent"))
            .await?;
        drop(transaction);
        let transaction = producer.begin().await?;
        transaction.send(Record::to(&topic).value("kept")).await?;
        transaction.commit().await?;
        // A transaction without anything in it ends without the cluster.
        producer.begin().await?.commit().await?;
        producer.begin().await?.abort().await?;
        let level = IsolationLevel::ReadCommitted;
        let reader = reader(target.client(), &topic, 1, level).await?;
        assert_eq!(values(&reader, 1).await?, ["kept"]);
        producer.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_producer_shuts_the_first_one_out() -> Result<()> {
    on_each_version(async |target| {
        let topic = target.topic("zombies", 1).await?;
        let id = unique("zombie");
        let mut zombie = producer(&target, &id).await?;
        let transaction = zombie.begin().await?;
        transaction.send(Record::to(&topic).value("zombie")).await?;

        let mut heir = producer(&target, &id).await?;
        let failed = transaction.commit().await;
        assert!(failed.is_err(), "the zombie commits");
        let again = zombie.begin().await;
        let error = again.err().context("the zombie goes on")?;
        assert!(error.is_fatal(), "{error}");

        let transaction = heir.begin().await?;
        transaction.send(Record::to(&topic).value("heir")).await?;
        transaction.commit().await?;
        let level = IsolationLevel::ReadCommitted;
        let reader = reader(target.client(), &topic, 1, level).await?;
        assert_eq!(values(&reader, 1).await?, ["heir"]);
        heir.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_count_with_their_transaction() -> Result<()> {
    on_each_version(async |target| {
        let topic = target.topic("offsets", 1).await?;
        let plain = target.producer(ProducerConfig::default())?;
        for number in 0..10 {
            let value = number.to_string();
            plain.send(Record::to(&topic).value(&value)).await?;
        }
        let group = unique("group");
        let member = Consumer::new(
            target.client(),
            ConsumerConfig::group(group.as_str()).auto_offset_reset(OffsetReset::Earliest),
        )?;
        member.subscribe([&topic]).await?;
        take(&member, 10).await?;
        let metadata = member.group_metadata().context("a group")?;
        assert_eq!(metadata.group_id(), group);
        assert!(metadata.generation() >= 0 && !metadata.member_id().is_empty());

        let partition = TopicPartition::new(topic.as_str(), 0);
        let committed = async || -> Result<Option<i64>> {
            let offsets = Admin::new(target.client())
                .committed_offsets(&group)
                .await?;
            Ok(offsets.first().map(|offset| offset.offset))
        };
        let mut producer = producer(&target, &unique("offsets")).await?;
        let transaction = producer.begin().await?;
        let offsets = [(partition.clone(), 4)];
        transaction.send_offsets(&metadata, &offsets).await?;
        transaction.abort().await?;
        assert_eq!(committed().await?, None, "of an aborted transaction");

        let transaction = producer.begin().await?;
        let offsets = [(partition.clone(), 6)];
        transaction.send_offsets(&metadata, &offsets).await?;
        transaction.commit().await?;
        // Other nodes hear of the end of a transaction a little later.
        eventually("the group has the offset", async || {
            Ok((committed().await? == Some(6)).then_some(()))
        })
        .await?;

        // Once the group has moved on, its former member can commit nothing.
        member.close().await?;
        let transaction = producer.begin().await?;
        let offsets = [(partition, 9)];
        let refused = transaction.send_offsets(&metadata, &offsets).await;
        let error = refused.err().context("a stranger commits")?;
        assert!(error.is_aborted(), "{error}");
        drop(transaction);
        producer.close().await?;
        assert_eq!(committed().await?, Some(6));
        plain.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_aborts_what_takes_too_long() -> Result<()> {
    on_each_version(async |target| {
        let topic = target.topic("slow", 1).await?;
        let id = unique("slow");
        let config = config(&id).transaction_timeout(Duration::from_millis(500));
        let mut slow = TransactionalProducer::connect(target.client(), config).await?;
        let transaction = slow.begin().await?;
        transaction.send(Record::to(&topic).value("slow")).await?;
        let plain = target.producer(ProducerConfig::default())?;
        plain.send(Record::to(&topic).value("plain")).await?;
        // Apache Kafka looks every ten seconds.
        let level = IsolationLevel::ReadCommitted;
        let committed = reader(target.client(), &topic, 1, level).await?;
        assert_eq!(values(&committed, 1).await?, ["plain"]);
        assert!(transaction.commit().await.is_err(), "too late");
        plain.close().await?;
        Ok(())
    })
    .await
}

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
                let value = record.value.context("a value")?;
                let copy = Record::to(to).value(&value).partition(record.partition);
                let _delivery = transaction.enqueue(copy).await?;
                offsets.insert(partition.clone(), record.offset + 1);
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

/// The answer to a commit is lost, again and again: the commit is repeated, and what was committed
/// is neither aborted nor committed twice.
#[tokio::test(flavor = "multi_thread")]
async fn pitfall_19_a_commit_whose_answer_is_lost_is_repeated() -> Result<()> {
    on_each_version(async |target| {
        let Some(faults) = target.faults() else {
            eprintln!("left out: a cluster takes no orders for faults");
            return Ok(());
        };
        let topic = target.topic("lost-answers", 1).await?;
        let client = Client::new(
            ClientConfig::new(target.bootstrap())
                .request_timeout(Duration::from_millis(300))
                .reconnect_backoff(Duration::from_millis(5), Duration::from_millis(50))
                .retry_backoff(Duration::from_millis(5), Duration::from_millis(50)),
        )?;
        let config = config(&unique("lost-answers")).max_block(Duration::from_millis(500));
        let mut producer = TransactionalProducer::connect(&client, config).await?;
        let transaction = producer.begin().await?;
        transaction.send(Record::to(&topic).value("first")).await?;
        faults.times(ApiKey::EndTxn, 3, Fault::DisconnectAfter);
        transaction.commit().await?;

        // Not even for as long as the call may take: the outcome stays unknown, not made up.
        let transaction = producer.begin().await?;
        transaction.send(Record::to(&topic).value("second")).await?;
        let loading = Fault::Fail(ErrorCode::CoordinatorLoadInProgress);
        faults.always(ApiKey::EndTxn, loading);
        let error = transaction.commit().await.err().context("an answer")?;
        assert!(error.is_outcome_unknown(), "{error}");
        faults.clear();
        assert_eq!(producer.resolve().await?, Some(Outcome::Committed));

        let level = IsolationLevel::ReadCommitted;
        let reader = reader(target.client(), &topic, 1, level).await?;
        assert_eq!(values(&reader, 2).await?, ["first", "second"]);
        producer.close().await?;
        Ok(())
    })
    .await
}

/// Which requests are sent depends on what the cluster has finalized, not on the versions of
/// requests it knows: an embedded broker knows all of them, whatever is finalized.
#[tokio::test(flavor = "multi_thread")]
async fn pitfall_20_the_finalized_version_decides() -> Result<()> {
    for (version, asks) in [("0", true), ("1", true), ("2", false)] {
        on_target_with(&[("transaction.version", version)], async |target| {
            let Some(faults) = target.faults() else {
                return Ok(());
            };
            let topic = target.topic("finalized", 2).await?;
            let mut producer = producer(&target, &unique("finalized")).await?;
            send_all(&mut producer, &topic, 2, "some", Outcome::Committed).await?;
            let asked = faults.requests_seen(ApiKey::AddPartitionsToTxn);
            assert_eq!(asked > 0, asks, "transaction.version={version}");
            producer.close().await?;
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Connections break and brokers refuse all the time: what is told to be committed is there once,
/// what is told to be aborted is not there.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_get_through_faults_whole() -> Result<()> {
    on_each_version(async |target| {
        let Some(faults) = target.faults() else {
            eprintln!("left out: a cluster takes no orders for faults");
            return Ok(());
        };
        let topic = target.topic("faulty", 2).await?;
        let client = Client::new(
            ClientConfig::new(target.bootstrap())
                .request_timeout(Duration::from_millis(500))
                .reconnect_backoff(Duration::from_millis(5), Duration::from_millis(50))
                .retry_backoff(Duration::from_millis(5), Duration::from_millis(50)),
        )?;
        let config = config(&unique("faulty")).request_timeout(Duration::from_millis(500));
        let mut producer = TransactionalProducer::connect(&client, config).await?;
        for time in 1..=20 {
            faults.nth(ApiKey::EndTxn, 3 * time, Fault::DisconnectAfter);
            faults.nth(ApiKey::AddPartitionsToTxn, 4 * time, Fault::Disconnect);
            faults.nth(ApiKey::Produce, 5 * time, Fault::DisconnectAfter);
        }
        let mut expected = Vec::new();
        for round in 0..40 {
            let name = format!("round {round:02}");
            let is_kept = round % 3 != 0;
            let outcome = if is_kept {
                Outcome::Committed
            } else {
                Outcome::Aborted
            };
            send_all(&mut producer, &topic, 2, &name, outcome).await?;
            if is_kept {
                let value = |index: usize| format!("{name} {} {}", index / 3, index % 3);
                expected.extend((0..6).map(value));
            }
        }
        faults.clear();
        let level = IsolationLevel::ReadCommitted;
        let reader = reader(target.client(), &topic, 2, level).await?;
        assert_eq!(values(&reader, expected.len()).await?, expected);
        producer.close().await?;
        Ok(())
    })
    .await
}

/// Copiers of one group that come and go: whoever loses its partitions in the middle of a
/// transaction cannot commit it, and the copy holds each record once.
#[tokio::test(flavor = "multi_thread")]
async fn copiers_that_rebalance_copy_everything_once() -> Result<()> {
    const RECORDS: usize = 600;
    const PARTITIONS: i32 = 4;
    on_each_version(async |target| {
        let from = original(&target, PARTITIONS, RECORDS).await?;
        let to = target.topic("copy", PARTITIONS).await?;

        let progress = Arc::new(watch::Sender::new(0));
        let group = unique("shared-copiers");
        let mut copiers = JoinSet::new();
        for (from_when, until_when) in [(0, 250), (100, RECORDS), (200, RECORDS)] {
            let copier = Copier {
                target: Arc::clone(&target),
                from: from.clone(),
                to: to.clone(),
                group: group.clone(),
                progress: Arc::clone(&progress),
            };
            copiers.spawn(copier.run(from_when, until_when));
        }
        while let Some(ended) = copiers.join_next().await {
            ended??;
        }
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
}

impl Copier {
    /// Copies from when so many are copied until so many are.
    async fn run(self, from_when: usize, until_when: usize) -> Result<()> {
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
            match self.copy(&mut producer, &metadata, polled).await {
                Ok(count) => self.progress.send_modify(|copied| *copied += count),
                Err(error) if error.is_aborted() => rewind(&consumer).await?,
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
    ) -> Result<usize, TransactionError> {
        let transaction = producer.begin().await?;
        let mut offsets: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        let mut count = 0;
        for batch in polled.batches {
            offsets.insert(batch.topic_partition().clone(), batch.next_offset());
            for record in batch.into_records().flatten() {
                let value = record.value.unwrap_or_default();
                let copy = Record::to(&self.to)
                    .value(&value)
                    .partition(record.partition);
                // What is not accepted fails the commit.
                let _accepted = transaction.enqueue(copy).await;
                count += 1;
            }
        }
        let offsets: Vec<_> = offsets.into_iter().collect();
        transaction.send_offsets(metadata, &offsets).await?;
        transaction.commit().await?;
        Ok(count)
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
