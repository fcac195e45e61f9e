//! The transactional producers of a run: what they commit is there as a whole, what they abort is not
//! there, and one whose id another one takes over commits nothing any more.

use crate::run::{CLOSE_WAIT, Setting, TOPIC};
use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use milena_client::Client;
use milena_client::producer::{Delivery, ProducerConfig, Record};
use milena_client::transaction::{Outcome, Transaction, TransactionalProducer};
use milena_sim::history::{Place, RecordId};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;

/// A coordinator that is asked for longer than this does not answer at all.
const BLOCK_MAX: Duration = Duration::from_secs(20);

/// What is to become of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Commit,
    Abort,
    /// Left open, for the next one to abort it.
    Drop,
    /// Another producer takes over the id before it is committed.
    TakeOver,
}

/// Starts all producers; ends when every transaction is settled and they are closed.
pub(crate) fn start(setting: &Setting) -> JoinHandle<Result<()>> {
    let setting = setting.clone();
    tokio::spawn(async move {
        let mut producers = tokio::task::JoinSet::new();
        for number in 0..setting.schedule.load.producers {
            producers.spawn(Lane::new(setting.clone(), number).run());
        }
        while let Some(ended) = producers.join_next().await {
            ended??;
        }
        Ok(())
    })
}

/// One `transactional.id` and whoever has it.
struct Lane {
    setting: Setting,
    number: u32,
    random: Rng,
}

impl Lane {
    fn new(setting: Setting, number: u32) -> Self {
        let random = Rng::with_seed(setting.schedule.seed ^ (u64::from(number + 1) << 32));
        Self {
            setting,
            number,
            random,
        }
    }

    async fn run(mut self) -> Result<()> {
        let load = self.setting.schedule.load.clone();
        let (mut client, mut producer) = self.connect().await?;
        let mut next = 0;
        while next < load.records {
            let end = (next + self.random.u64(1..=load.burst)).min(load.records);
            let fate = self.fate();
            let ended = self.transact(&mut producer, next..end, fate).await;
            let heir = ended.with_context(|| format!("{}: {next}..{end} {fate:?}", self.number))?;
            next = end;
            if let Some((heir_client, heir)) = heir {
                let zombie = std::mem::replace(&mut producer, heir);
                let is_fatal = match self.close(zombie).await? {
                    Err(error) => error.is_fatal(),
                    Ok(()) => false,
                };
                ensure!(is_fatal, "producer {} was not shut out", self.number);
                self.setting.fenced.fetch_add(1, Ordering::Relaxed);
                std::mem::replace(&mut client, heir_client).close().await;
            }
        }
        self.close(producer).await??;
        client.close().await;
        Ok(())
    }

    fn fate(&mut self) -> Fate {
        match self.random.u32(0..10) {
            0 => Fate::TakeOver,
            1 => Fate::Drop,
            2 | 3 => Fate::Abort,
            _ => Fate::Commit,
        }
    }

    async fn connect(&self) -> Result<(Client, TransactionalProducer)> {
        let load = &self.setting.schedule.load;
        let client = self.setting.client()?;
        let config = ProducerConfig::default()
            .transactional_id(format!("chaos-{}", self.number))
            .linger(load.linger)
            .batch_bytes_max(load.batch_bytes)
            .delivery_timeout(load.delivery_timeout)
            .request_timeout(Duration::from_millis(400).min(load.delivery_timeout))
            .max_block(BLOCK_MAX);
        let producer = TransactionalProducer::connect(&client, config).await?;
        Ok((client, producer))
    }

    async fn close(&self, producer: TransactionalProducer) -> Result<Closed> {
        let closing = tokio::time::timeout(CLOSE_WAIT, producer.close()).await;
        closing.with_context(|| format!("a producer is not closed after {CLOSE_WAIT:?}"))
    }

    /// One transaction with these records; the heir, if there is one now.
    async fn transact(
        &mut self,
        producer: &mut TransactionalProducer,
        numbers: Range<u64>,
        fate: Fate,
    ) -> Result<Option<(Client, TransactionalProducer)>> {
        let transaction = producer.begin().await?;
        let deliveries = self.send(&transaction, numbers).await?;
        let outcome = match fate {
            Fate::Drop => {
                drop(transaction);
                return Ok(None);
            }
            Fate::TakeOver => {
                let heir = self.connect().await.context("the heir")?;
                let committed = transaction.commit().await;
                ensure!(committed.is_err(), "committed by who was shut out");
                return Ok(Some(heir));
            }
            Fate::Abort => transaction.abort().await.map(|()| Outcome::Aborted),
            Fate::Commit => transaction.commit().await.map(|()| Outcome::Committed),
        };
        let outcome = match outcome {
            Err(error) if error.is_aborted() => Outcome::Aborted,
            Err(error) if error.is_outcome_unknown() => {
                let resolved = producer.resolve().await?;
                resolved.context("the transaction has ended")?
            }
            outcome => outcome?,
        };
        if outcome == Outcome::Committed {
            self.note(deliveries).await?;
        }
        Ok(None)
    }

    /// What is not accepted fails the commit.
    async fn send(
        &self,
        transaction: &Transaction<'_>,
        numbers: Range<u64>,
    ) -> Result<Vec<(RecordId, Delivery)>> {
        let mut deliveries = Vec::new();
        for number in numbers {
            let id = RecordId {
                lane: self.number,
                number,
            };
            let value = id.to_string();
            let partition = i32::try_from(number)? % self.setting.schedule.load.partitions;
            let record = Record::to(TOPIC).value(&value).partition(partition);
            if let Ok(delivery) = transaction.enqueue(record).await {
                deliveries.push((id, delivery));
            }
        }
        Ok(deliveries)
    }

    /// All of it is committed, so all of it has a place.
    async fn note(&self, deliveries: Vec<(RecordId, Delivery)>) -> Result<()> {
        for (id, delivery) in deliveries {
            let metadata = delivery.await.with_context(|| format!("record {id}"))?;
            let place = metadata.offset().map(|offset| Place {
                partition: metadata.partition(),
                offset,
            });
            self.setting.history().acknowledged(id, place);
        }
        Ok(())
    }
}

type Closed = Result<(), milena_client::transaction::TransactionError>;
