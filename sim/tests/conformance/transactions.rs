//! Transactions: all or nothing, for records and for the offsets of what they were made from.

use anyhow::{Context, Result, ensure};
use milena_broker::{ApiKey, ErrorCode, Fault};
use milena_client::admin::{ChangeMode, Feature, FeatureDirection, FeatureUpdate};
use milena_client::consumer::{Consumer, ConsumerConfig, IsolationLevel, OffsetReset};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::transaction::{Outcome, TransactionalProducer};
use milena_client::{Admin, Client, ClientConfig, Compression, TopicPartition};
use milena_sim::target::{
    Target, all_partitions, eventually, on_target, on_target_with, take, unique,
};
use std::sync::Arc;
use std::time::Duration;

/// Set where no other test runs on the cluster.
const ALONE_VARIABLE: &str = "MILENA_TEST_ALONE";
/// How long nothing may come before a test takes it for certain that nothing will.
const QUIET: Duration = Duration::from_millis(300);

pub(crate) fn config(id: &str) -> ProducerConfig {
    ProducerConfig::default()
        .transactional_id(id)
        .linger(Duration::from_millis(1))
}

/// Runs `test` with transactions of KIP-98 and of KIP-890. A cluster has one of them: Apache
/// Kafka 3 the former, 4 the latter.
pub(crate) async fn on_each_version<F, T>(test: F) -> Result<()>
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

pub(crate) async fn producer(target: &Target, id: &str) -> Result<TransactionalProducer> {
    Ok(TransactionalProducer::connect(target.client(), config(id)).await?)
}

/// A reader of all partitions from the beginning.
pub(crate) async fn reader(
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
pub(crate) async fn values(consumer: &Consumer, count: usize) -> Result<Vec<String>> {
    let mut values = Vec::new();
    for record in take(consumer, count).await? {
        let value = record.value().context("a value")?;
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

/// The answer to a commit is lost, again and again: the commit is repeated, and what was committed
/// is neither aborted nor committed twice. Answers are lost on order, so on an embedded broker only; on
/// Apache Kafka the next test gives up commits under way, and the cluster suite kills coordinators.
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

/// Nobody waits for the end of a commit that was begun: it is there as a whole or not at all, as the
/// producer says when it is asked, and what comes next is not torn by it.
#[tokio::test(flavor = "multi_thread")]
async fn pitfall_19_a_commit_that_nobody_waits_for_is_whole_or_not_at_all() -> Result<()> {
    const ROUNDS: u64 = 30;
    on_each_version(async |target| {
        let topic = target.topic("given-up", 2).await?;
        let mut producer = producer(&target, &unique("given-up")).await?;
        let (mut expected, mut aborted) = (Vec::new(), 0);
        for round in 0..ROUNDS {
            let name = format!("round {round:02}");
            let transaction = producer.begin().await?;
            for partition in 0..2 {
                let value = format!("{name} {partition}");
                let record = Record::to(&topic).value(&value).partition(partition);
                transaction.send(record).await?;
            }
            // Sometimes the request is under way by then, sometimes its answer, sometimes neither.
            let patience = Duration::from_micros(round * 150);
            let _given_up = tokio::time::timeout(patience, transaction.commit()).await;
            if producer.resolve().await? == Some(Outcome::Committed) {
                expected.extend((0..2).map(|partition| format!("{name} {partition}")));
            } else {
                aborted += 1;
            }
        }
        println!(
            "{} of {ROUNDS} committed, {aborted} aborted",
            expected.len() / 2
        );
        let level = IsolationLevel::ReadCommitted;
        let reader = reader(target.client(), &topic, 2, level).await?;
        assert_eq!(values(&reader, expected.len()).await?, expected);
        producer.close().await?;
        Ok(())
    })
    .await
}

/// How a client carries out transactions depends on what the cluster has finalized, not on the versions
/// of requests it knows. The level is changed while the cluster runs, where it has one to change and no
/// other test runs (`cargo xtask test` sees to that), and shows in the epochs: from level 2 on each
/// transaction has one of its own. An embedded broker also tells which requests it got.
#[tokio::test(flavor = "multi_thread")]
async fn pitfall_20_the_finalized_version_decides() -> Result<()> {
    on_target(async |target| {
        let features = target.admin().describe_features().await?;
        let (now, highest) = (
            version_in(&features.finalized),
            version_in(&features.supported),
        );
        // A producer in the middle of a transaction is refused when the level falls under it.
        let is_alone = target.faults().is_some() || std::env::var_os(ALONE_VARIABLE).is_some();
        if highest == 0 || !is_alone {
            println!("transaction.version is left at {now}: nothing to change, or not alone");
            return check_version(&target, now).await;
        }
        let mut outcome = Ok(());
        for level in (0..=highest).rev() {
            finalize(&target, level).await?;
            if let Err(error) = check_version(&target, level).await {
                outcome = Err(error.context(format!("transaction.version={level}")));
            }
        }
        finalize(&target, now).await?;
        outcome
    })
    .await
}

/// The level of `transaction.version`; 0 if it is not there.
fn version_in(features: &[Feature]) -> i16 {
    let mut features = features.iter();
    let found = features.find(|one| one.name == "transaction.version");
    found.map_or(0, |one| one.max)
}

/// Changes the level of `transaction.version`, and waits until all brokers say so.
async fn finalize(target: &Target, level: i16) -> Result<()> {
    let admin = target.admin();
    let finalized = admin.describe_features().await?.finalized;
    let update = FeatureUpdate {
        name: "transaction.version".to_owned(),
        level,
        direction: match level < version_in(&finalized) {
            true => FeatureDirection::SafeDowngrade,
            false => FeatureDirection::Upgrade,
        },
    };
    let mut results = admin.update_features(&[update], ChangeMode::Apply).await?;
    results.remove(0).1?;
    for server in target.bootstrap().split(',') {
        let client = Client::new(ClientConfig::new(server))?;
        eventually("a broker has the level", async || {
            let finalized = Admin::new(&client).describe_features().await?.finalized;
            Ok((version_in(&finalized) == level).then_some(()))
        })
        .await?;
        client.close().await;
    }
    Ok(())
}

/// Sees that a producer does what level `level` asks for.
async fn check_version(target: &Target, level: i16) -> Result<()> {
    let topic = target.topic("finalized", 2).await?;
    // Connections of its own: the level is told when they are made.
    let client = target.new_client()?;
    let id = unique("finalized");
    let asked = || {
        target
            .faults()
            .map(|faults| faults.requests_seen(ApiKey::AddPartitionsToTxn))
    };
    let before = asked();
    let mut producer = TransactionalProducer::connect(&client, config(&id)).await?;
    let mut epochs = Vec::new();
    for name in ["first", "second", "third"] {
        send_all(&mut producer, &topic, 2, name, Outcome::Committed).await?;
        let epoch = eventually("the transaction is complete", async || {
            let described = target.admin().describe_transactions(&[&id]).await;
            let described = described.into_iter().next().context("one")?.1?;
            let is_complete = described.state == "CompleteCommit";
            Ok(is_complete.then_some(described.producer_epoch))
        });
        epochs.push(epoch.await?);
    }
    if level >= 2 {
        ensure!(epochs.is_sorted_by(|one, next| one < next), "{epochs:?}");
    } else {
        ensure!(epochs.is_sorted_by(|one, next| one == next), "{epochs:?}");
    }
    ensure!(
        asked().is_none() || (asked() > before) == (level < 2),
        "partitions were added by request, or not"
    );
    producer.close().await?;
    client.close().await;
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
