//! Transactions without end for brokers that are killed, and the check that each is there as a whole
//! or not at all.
//!
//! One producer; a transaction is one record for each partition, all with its number. Knows no
//! broker.

use anyhow::{Context, Result, ensure};
use milena_client::Client;
use milena_client::consumer::{Consumer, ConsumerConfig, IsolationLevel, OffsetReset};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::transaction::{Outcome, TransactionError, TransactionalProducer};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long the next transaction may take to end, and the next record to come.
const WAIT: Duration = Duration::from_secs(90);
/// How long nothing may come before it is taken for certain that nothing will.
const QUIET: Duration = Duration::from_millis(300);

/// Transactions under way.
pub struct TransactionLoad {
    topic: String,
    partitions: i32,
    ended: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
    work: JoinHandle<Result<Vec<Outcome>>>,
}

/// What a load has done, as its producer was told.
#[derive(Debug)]
pub struct TransactionHistory {
    topic: String,
    partitions: i32,
    outcomes: Vec<Outcome>,
}

impl TransactionLoad {
    /// Starts a producer; three of four of its transactions are meant to be committed.
    #[must_use]
    pub fn start(client: &Client, id: &str, topic: &str, partitions: i32, seed: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (counter, ended) = watch::channel(0);
        let worker = Worker {
            client: client.clone(),
            id: id.to_owned(),
            topic: topic.to_owned(),
            partitions,
            random: fastrand::Rng::with_seed(seed),
        };
        Self {
            topic: topic.to_owned(),
            partitions,
            ended,
            stop,
            work: tokio::spawn(worker.run(counter, stopped)),
        }
    }

    /// Waits for `more` transactions to end from now on.
    ///
    /// # Errors
    /// When they do not, and why the producer gave up.
    pub async fn until_ended(&mut self, more: usize) -> Result<()> {
        let wanted = *self.ended.borrow() + more;
        let reached = self.ended.wait_for(|count| *count >= wanted);
        match tokio::time::timeout(WAIT, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_gone)) => {
                (&mut self.work).await??;
                anyhow::bail!("the transactions have stopped")
            }
            Err(_) => anyhow::bail!("no {more} transactions ended within {WAIT:?}"),
        }
    }

    /// Ends when the transaction under way has ended.
    ///
    /// # Errors
    /// Why the producer gave up.
    pub async fn stop(self) -> Result<TransactionHistory> {
        self.stop.send_replace(true);
        Ok(TransactionHistory {
            topic: self.topic,
            partitions: self.partitions,
            outcomes: self.work.await??,
        })
    }
}

struct Worker {
    client: Client,
    id: String,
    topic: String,
    partitions: i32,
    random: fastrand::Rng,
}

impl Worker {
    async fn run(
        mut self,
        ended: watch::Sender<usize>,
        stopped: watch::Receiver<bool>,
    ) -> Result<Vec<Outcome>> {
        let config = ProducerConfig::default()
            .transactional_id(&self.id)
            .linger(Duration::ZERO);
        let mut producer = TransactionalProducer::connect(&self.client, config).await?;
        let mut outcomes = Vec::new();
        while !*stopped.borrow() {
            let number = outcomes.len();
            let outcome = match self.transact(&mut producer, number).await {
                Ok(outcome) => outcome,
                Err(error) if error.is_aborted() => Outcome::Aborted,
                Err(error) if error.is_outcome_unknown() => {
                    let resolved = producer.resolve().await?;
                    resolved.context("the transaction has ended")?
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("transaction {number}"));
                }
            };
            outcomes.push(outcome);
            ended.send_modify(|count| *count += 1);
        }
        producer.close().await?;
        Ok(outcomes)
    }

    async fn transact(
        &mut self,
        producer: &mut TransactionalProducer,
        number: usize,
    ) -> Result<Outcome, TransactionError> {
        let value = number.to_string();
        let transaction = producer.begin().await?;
        for partition in 0..self.partitions {
            let record = Record::to(&self.topic).value(&value).partition(partition);
            // What is not accepted fails the commit.
            let _accepted = transaction.enqueue(record).await;
        }
        if self.random.u8(..4) > 0 {
            transaction.commit().await?;
            return Ok(Outcome::Committed);
        }
        transaction.abort().await?;
        Ok(Outcome::Aborted)
    }
}

impl TransactionHistory {
    /// How many transactions ended like this.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.iter().filter(|one| **one == outcome).count()
    }

    /// Reads what is committed up to the end: every partition holds the records of the committed
    /// transactions once, in order, and no others.
    ///
    /// # Errors
    /// Which transaction is torn, missing or doubled.
    pub async fn verify(&self, client: &Client) -> Result<()> {
        let config = ConsumerConfig::new()
            .auto_offset_reset(OffsetReset::Earliest)
            .isolation_level(IsolationLevel::ReadCommitted);
        let reader = Consumer::new(client, config)?;
        let partitions = crate::target::all_partitions(&self.topic, self.partitions);
        reader.assign(partitions).await?;
        let expected = self.count(Outcome::Committed) * usize::try_from(self.partitions)?;
        let mut seen: BTreeMap<(i32, usize), usize> = BTreeMap::new();
        let mut last: BTreeMap<i32, usize> = BTreeMap::new();
        for _ in 0..expected {
            let record = reader.consume_next(WAIT).await?;
            let record = record.with_context(|| format!("{} of {expected} came", seen.len()))?;
            let value = std::str::from_utf8(record.value().unwrap_or_default())?;
            let number: usize = value.parse()?;
            *seen.entry((record.partition(), number)).or_default() += 1;
            if let Some(before) = last.insert(record.partition(), number) {
                ensure!(before < number, "{number} after {before}");
            }
        }
        for (number, outcome) in self.outcomes.iter().enumerate() {
            for partition in 0..self.partitions {
                let count = seen.get(&(partition, number)).copied().unwrap_or(0);
                let is_kept = *outcome == Outcome::Committed;
                ensure!(
                    count == usize::from(is_kept),
                    "{outcome:?} {number} is in partition {partition} {count} times"
                );
            }
        }
        let more = reader.consume_next(QUIET).await?;
        ensure!(more.is_none(), "{more:?} came, too");
        reader.close().await?;
        Ok(())
    }
}
