//! Transactions: records for several partitions, and the offsets of what they were made from,
//! count all together or not at all (KIP-98, KIP-447, KIP-890).
//!
//! Owns the public handles. What may be done when is `state`'s, what is asked of the cluster
//! `coordinator`'s, how a transaction is carried through `driver`'s; the records take the
//! producer's way, past the `gate`. Knows no consumer.

mod coordinator;
mod driver;
mod error;
mod gate;
mod group;
mod reaction;
mod spans;
mod state;

use std::fmt;
use std::sync::Arc;

pub use self::error::{Reason, TransactionError};
pub(crate) use self::gate::Gate;
pub use self::group::ConsumerGroupMetadata;

use self::driver::Driver;
use self::state::End;
use crate::client::Client;
use crate::error::Error;
use crate::producer::{Delivery, ProduceError, ProducerConfig, Record, RecordMetadata};
use crate::spans::observed;
use crate::topology::TopicPartition;

/// A producer whose records only count once their transaction is committed.
///
/// It has one transaction at a time, and shuts out any other producer that had its
/// `transactional.id` before. Two transactions at once, or records outside of one, do not
/// compile:
///
/// ```compile_fail
/// # async fn example(mut producer: milena_client::transaction::TransactionalProducer)
/// # -> Result<(), milena_client::transaction::TransactionError> {
/// let first = producer.begin().await?;
/// let second = producer.begin().await?;
/// first.commit().await
/// # }
/// ```
///
/// Nor does using one after it has ended:
///
/// ```compile_fail
/// # use milena_client::producer::Record;
/// # async fn example(mut producer: milena_client::transaction::TransactionalProducer)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let transaction = producer.begin().await?;
/// transaction.commit().await?;
/// transaction.send(Record::to("orders").value("too late")).await?;
/// # Ok(())
/// # }
/// ```
///
/// ```no_run
/// # use milena_client::producer::{ProducerConfig, Record};
/// # use milena_client::transaction::TransactionalProducer;
/// # async fn example(client: &milena_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let config = ProducerConfig::default().transactional_id("billing-1");
/// let mut producer = TransactionalProducer::connect(client, config).await?;
/// let transaction = producer.begin().await?;
/// transaction.enqueue(Record::to("invoices").value("42")).await?;
/// transaction.enqueue(Record::to("payments").value("42")).await?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
///
/// Dropping it does not block; what a dropped transaction left is aborted in the background.
pub struct TransactionalProducer {
    driver: Arc<Driver>,
}

/// An open transaction. Dropping it aborts it in the background, at the latest before the next
/// one begins.
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction<'a> {
    driver: &'a Arc<Driver>,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// All of it counts.
    Committed,
    /// Nothing of it counts.
    Aborted,
}

impl TransactionalProducer {
    /// Takes over `transactional.id`: what a former producer of that id left open is aborted,
    /// and it can do nothing any more.
    ///
    /// # Errors
    /// [`TransactionError::Fatal`] for a configuration without `transactional.id` or one that
    /// does not fit together, and when the cluster refuses; [`TransactionError::Aborted`] when
    /// it does not answer within `max.block.ms`.
    pub async fn connect(
        client: &Client,
        config: ProducerConfig,
    ) -> Result<Self, TransactionError> {
        let id = config.transactional_id.as_deref().unwrap_or_default();
        let span = spans::init(&client.config().client_id, id);
        let driver = observed(span, Driver::connect(client, config)).await?;
        Ok(Self { driver })
    }

    /// Begins a transaction, after what became of the former one is settled: one that was
    /// dropped is aborted, a commit without an answer is repeated until there is one.
    ///
    /// # Errors
    /// [`TransactionError::Fatal`] when this producer cannot go on, such as fenced by another;
    /// [`TransactionError::OutcomeUnknown`] when the former commit still has no known outcome
    /// after `max.block.ms`; [`TransactionError::Aborted`] when the cluster does not answer
    /// otherwise.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, TransactionError> {
        self.driver.begin().await?;
        Ok(Transaction {
            driver: &self.driver,
        })
    }

    /// How the last transaction ended, found out if it is not known yet: what to call after
    /// [`TransactionError::OutcomeUnknown`]. `None` before the first one.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn resolve(&mut self) -> Result<Option<Outcome>, TransactionError> {
        let end = self.driver.resolve().await?;
        Ok(end.map(|end| match end {
            End::Commit => Outcome::Committed,
            End::Abort => Outcome::Aborted,
        }))
    }

    /// Settles what the last transaction left, then ends the background tasks.
    ///
    /// # Errors
    /// As [`begin`](Self::begin); the producer is closed nevertheless.
    pub async fn close(self) -> Result<(), TransactionError> {
        self.driver.close().await
    }
}

impl Transaction<'_> {
    /// Sends a record and waits until the broker has it. It counts once the transaction is
    /// committed.
    ///
    /// # Errors
    /// As [`Producer::send`](crate::producer::Producer::send); the transaction can only be
    /// aborted then.
    pub async fn send(&self, record: Record<'_>) -> Result<RecordMetadata, ProduceError> {
        self.driver.check_open()?;
        let sent = self.driver.producer().send(record).await;
        sent.inspect_err(|error| self.driver.on_record_failed(error))
    }

    /// Accepts a record, waiting for buffer space only. It counts once the transaction is
    /// committed, and the commit fails if it is not written: the [`Delivery`] may be dropped.
    ///
    /// # Errors
    /// As [`Producer::enqueue`](crate::producer::Producer::enqueue); the transaction can only be
    /// aborted then, for it would be without this record.
    pub async fn enqueue(&self, record: Record<'_>) -> Result<Delivery, ProduceError> {
        self.driver.check_open()?;
        let accepted = self.driver.producer().enqueue(record).await;
        accepted.inspect_err(|error| self.driver.on_record_failed(error))
    }

    /// Stores offsets of a consumer's group, each that of the next record to process: they
    /// count once the transaction is committed. `group` is the consumer's
    /// [`group_metadata`](crate::consumer::Consumer::group_metadata), taken when the records
    /// were polled. Carried out even when the call is dropped.
    ///
    /// # Errors
    /// [`TransactionError::Aborted`] when the group has moved on, or the coordinator refuses:
    /// the transaction can only be aborted then. [`TransactionError::Fatal`] when the producer
    /// cannot go on.
    pub async fn send_offsets(
        &self,
        group: &ConsumerGroupMetadata,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), TransactionError> {
        let (client_id, id) = self.driver.names();
        let span = spans::send_offsets(client_id, id, group, offsets);
        observed(span, self.driver.send_offsets(group, offsets)).await
    }

    /// Waits until every record is written, then commits.
    ///
    /// # Errors
    /// [`TransactionError::Aborted`] when a record or offset was not written: nothing counts.
    /// [`TransactionError::OutcomeUnknown`] when no coordinator answers within `max.block.ms`:
    /// it is committed or not, and will be known after
    /// [`TransactionalProducer::resolve`]. [`TransactionError::Fatal`] when the producer cannot
    /// go on; without another reason nothing counts then.
    pub async fn commit(self) -> Result<(), TransactionError> {
        let (client_id, id) = self.driver.names();
        observed(spans::commit(client_id, id), self.driver.commit()).await
    }

    /// Gives up what has not been sent, and aborts.
    ///
    /// # Errors
    /// [`TransactionError::Fatal`] when the producer cannot go on; [`TransactionError::Aborted`]
    /// when no coordinator answers within `max.block.ms`: the abort is repeated before the next
    /// transaction begins.
    pub async fn abort(self) -> Result<(), TransactionError> {
        let (client_id, id) = self.driver.names();
        observed(spans::abort(client_id, id), self.driver.abort()).await
    }
}

impl fmt::Debug for TransactionalProducer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TransactionalProducer")
            .field("gate", self.driver.gate())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Transaction")
            .field("gate", self.driver.gate())
            .finish_non_exhaustive()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.driver.settle_in_background();
    }
}

/// The configuration has no `transactional.id`.
fn not_transactional() -> Error {
    Error::config(
        "transactional.id",
        "",
        "the name of this producer, the same after a restart and of no other producer",
    )
}
