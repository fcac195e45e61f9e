//! kill -9 in the middle of transactions: each is there as a whole, or not at all, as its producer
//! was told.

use super::{client, seed};
use anyhow::{Context, Result, ensure};
use milena_client::Client;
use milena_client::consumer::{Consumer, ConsumerConfig, IsolationLevel, OffsetReset};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::transaction::{Outcome, TransactionError, TransactionalProducer};
use milena_sim::program::{BrokerProcess, free_port};
use milena_sim::target::all_partitions;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

const TOPIC: &str = "crash-transactions";
const PARTITIONS: i32 = 3;
const KILLS: usize = 10;
/// So many more transactions between two kills, so that each one hits a working broker.
const ENDED_BETWEEN_KILLS: usize = 20;
const WAIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn transactions_survive_ten_kills_whole_or_not_at_all() -> Result<()> {
    for version in ["transaction.version=1", "transaction.version=2"] {
        check(version).await.context(version)?;
    }
    Ok(())
}

async fn check(version: &str) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed());
    let data = tempfile::tempdir()?;
    let port = free_port().await?;
    let partitions = format!("num.partitions={PARTITIONS}");
    let properties = [partitions.as_str(), version];
    let start = || BrokerProcess::start(port, Some(data.path()), &properties);
    let mut broker = start().await?;
    let client = client(&broker.bootstrap())?;

    let (stop, stopped) = watch::channel(false);
    let (ended, mut progress) = watch::channel(0);
    let seed = random.u64(..);
    let working = tokio::spawn(work(client.clone(), seed, ended, stopped));
    for kill in 1..=KILLS {
        let wanted = *progress.borrow() + ENDED_BETWEEN_KILLS;
        let reached = progress.wait_for(|count| *count >= wanted);
        tokio::time::timeout(WAIT, reached)
            .await
            .with_context(|| format!("nothing goes on before kill {kill}"))??;
        // When the kill hits is the point of the test, and differs each time.
        tokio::time::sleep(Duration::from_micros(random.u64(0..30_000))).await;
        broker.kill().await?;
        broker = start().await?;
    }
    stop.send_replace(true);
    let outcomes = working.await??;
    verify(&client, &outcomes).await?;
    broker.kill().await
}

/// Transactions of one record for each partition, one after the other; how each one ended.
async fn work(
    client: Client,
    seed: u64,
    ended: watch::Sender<usize>,
    stopped: watch::Receiver<bool>,
) -> Result<Vec<Outcome>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let config = ProducerConfig::default()
        .transactional_id("crash")
        .linger(Duration::ZERO);
    let mut producer = TransactionalProducer::connect(&client, config).await?;
    let mut outcomes = Vec::new();
    while !*stopped.borrow() {
        let number = outcomes.len().to_string();
        let attempt = transact(&mut producer, &number, random.u8(..4) > 0).await;
        let outcome = match attempt {
            Ok(outcome) => outcome,
            Err(error) if error.is_aborted() => Outcome::Aborted,
            Err(error) if error.is_outcome_unknown() => {
                let resolved = producer.resolve().await?;
                resolved.context("the transaction has ended")?
            }
            Err(error) => return Err(error.into()),
        };
        outcomes.push(outcome);
        ended.send_modify(|count| *count += 1);
    }
    producer.close().await?;
    Ok(outcomes)
}

async fn transact(
    producer: &mut TransactionalProducer,
    number: &str,
    is_kept: bool,
) -> Result<Outcome, TransactionError> {
    let transaction = producer.begin().await?;
    for partition in 0..PARTITIONS {
        let record = Record::to(TOPIC).value(number).partition(partition);
        // A record that is not written fails the commit.
        let _delivery = transaction.enqueue(record).await;
    }
    if is_kept {
        transaction.commit().await?;
        return Ok(Outcome::Committed);
    }
    transaction.abort().await?;
    Ok(Outcome::Aborted)
}

/// Reads what is committed up to the end and compares.
async fn verify(client: &Client, outcomes: &[Outcome]) -> Result<()> {
    let config = ConsumerConfig::new()
        .auto_offset_reset(OffsetReset::Earliest)
        .isolation_level(IsolationLevel::ReadCommitted);
    let reader = Consumer::new(client, config)?;
    reader.assign(all_partitions(TOPIC, PARTITIONS)).await?;
    let committed = outcomes.iter().filter(|one| **one == Outcome::Committed);
    let expected = committed.count() * usize::try_from(PARTITIONS)?;
    let mut seen: BTreeMap<(i32, usize), usize> = BTreeMap::new();
    let mut last: BTreeMap<i32, usize> = BTreeMap::new();
    for _ in 0..expected {
        let record = reader.consume_next(WAIT).await?;
        let record = record.with_context(|| format!("{} of {expected} came", seen.len()))?;
        let value = std::str::from_utf8(record.value.as_deref().unwrap_or_default())?;
        let number: usize = value.parse()?;
        *seen.entry((record.partition, number)).or_default() += 1;
        if let Some(before) = last.insert(record.partition, number) {
            ensure!(before < number, "{number} after {before}");
        }
    }
    for (number, outcome) in outcomes.iter().enumerate() {
        for partition in 0..PARTITIONS {
            let count = seen.get(&(partition, number)).copied().unwrap_or(0);
            let expected = usize::from(*outcome == Outcome::Committed);
            ensure!(
                count == expected,
                "{outcome:?} {number}: {count} in {partition}"
            );
        }
    }
    let more = reader.consume_next(Duration::from_millis(300)).await?;
    ensure!(more.is_none(), "{more:?} came, too");
    reader.close().await?;
    Ok(())
}
