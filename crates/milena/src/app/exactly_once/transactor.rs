//! Writes what one partition's records came to, and their offset, in one transaction after
//! the other.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use milena_client::consumer::Consumer;
use milena_client::producer::{Delivery, ProduceError, ProduceErrorKind, ProducerConfig};
use milena_client::transaction::{
    ConsumerGroupMetadata, Outcome, Reason, Transaction, TransactionError, TransactionalProducer,
};
use milena_client::{Client, ErrorCode, TopicPartition};

use crate::extract::Content;
use crate::message::Message;
use crate::publisher::{PublishError, Publisher};
use crate::telemetry::Sending;

/// What transactions of a topic are made with.
pub(in crate::app) struct Transactions {
    pub(in crate::app) client: Client,
    pub(in crate::app) config: ProducerConfig,
    pub(in crate::app) publisher: Publisher,
    pub(in crate::app) group: String,
    /// The topic, as the cluster names it.
    pub(in crate::app) topic: Arc<str>,
    /// Of the application's membership.
    pub(in crate::app) heartbeat_interval: Duration,
    /// There before any partition has a worker.
    pub(in crate::app) consumer: Arc<OnceLock<Arc<Consumer>>>,
}

/// A record that is done, and what it came to.
pub(super) struct Done {
    pub(super) message: Message,
    pub(super) content: Vec<Content>,
}

/// Why a transaction did not happen.
pub(super) enum Trouble {
    /// All of it may be tried again.
    Again(TransactionError),
    /// Its outcome has to be asked for.
    Unknown(TransactionError),
    /// This producer cannot go on.
    Fatal(TransactionError),
    /// What the record at this place came to cannot be written.
    Refused(usize, PublishError),
}

/// The transactional producer of one partition.
pub(super) struct Transactor {
    transactions: Arc<Transactions>,
    partition: TopicPartition,
    producer: TransactionalProducer,
}

impl Transactions {
    pub(super) fn id(&self, partition: i32) -> String {
        format!("{}-{}-{partition}", self.group, self.topic)
    }

    /// Takes over the partition's transactional id.
    pub(super) async fn connect(
        self: &Arc<Self>,
        partition: i32,
    ) -> Result<Transactor, TransactionError> {
        let config = self.config.clone().transactional_id(self.id(partition));
        Ok(Transactor {
            transactions: self.clone(),
            partition: TopicPartition::new(self.topic.clone(), partition),
            producer: TransactionalProducer::connect(&self.client, config).await?,
        })
    }
}

impl Transactor {
    /// Where the group is in the partition, now that nobody else can move it.
    pub(super) async fn committed(&self) -> Result<Option<i64>, milena_client::Error> {
        let Some(consumer) = self.transactions.consumer.get() else {
            return Ok(None);
        };
        let partition = std::slice::from_ref(&self.partition);
        let offsets = consumer.committed(partition).await?;
        Ok(offsets.into_iter().find_map(|(_, offset)| offset))
    }

    /// Commits everything the records came to, and that the next record is `next_offset`.
    pub(super) async fn commit(&mut self, work: &[Done], next_offset: i64) -> Result<(), Trouble> {
        let transaction = self.producer.begin().await.map_err(trouble)?;
        let mut deliveries: Vec<Written> = Vec::new();
        for (place, done) in work.iter().enumerate() {
            for content in &done.content {
                let written = write(&self.transactions.publisher, &transaction, content).await;
                match written {
                    Ok((delivery, told)) => deliveries.push(Written {
                        place,
                        delivery,
                        told,
                    }),
                    Err(error) => return Err(refused(place, error)),
                }
            }
        }
        let group = ConsumerGroupMetadata::without_member(self.transactions.group.as_str());
        let offsets = [(self.partition.clone(), next_offset)];
        transaction
            .send_offsets(&group, &offsets)
            .await
            .map_err(trouble)?;
        tracing::debug!(
            event = "transaction_written",
            partition = %self.partition,
            records = work.len(),
            next_offset,
        );
        match transaction.commit().await {
            Ok(()) => {
                for written in deliveries {
                    if let Some(told) = written.told {
                        told.tell(&written.delivery.await);
                    }
                }
                Ok(())
            }
            Err(error) if error.is_aborted() => {
                for written in deliveries {
                    if let Err(refusal) = written.delivery.await
                        && is_the_records(&refusal)
                    {
                        return Err(Trouble::Refused(written.place, refusal.into()));
                    }
                }
                Err(Trouble::Again(error))
            }
            Err(error) => Err(trouble(error)),
        }
    }

    /// Whether the transaction whose outcome was unknown is committed.
    pub(super) async fn resolve(&mut self) -> Result<bool, Trouble> {
        let outcome = self.producer.resolve().await.map_err(trouble)?;
        Ok(outcome == Some(Outcome::Committed))
    }

    pub(super) async fn close(self) {
        if let Err(error) = self.producer.close().await {
            tracing::warn!(event = "transactional_producer_close_failed", %error);
        }
    }
}

/// What is written of the record at a place, and what is to be told of it.
struct Written {
    place: usize,
    delivery: Delivery,
    told: Option<Sending>,
}

async fn write(
    publisher: &Publisher,
    transaction: &Transaction<'_>,
    content: &Content,
) -> Result<(Delivery, Option<Sending>), PublishError> {
    match content {
        Content::Message(message, trace) => {
            let trace = trace.as_deref();
            publisher.enqueue_in(transaction, message, trace).await
        }
        Content::DeadLetter(topic, letter) => {
            let letter = publisher.enqueue_letter_in(transaction, topic, letter);
            Ok((letter.await?, None))
        }
    }
}

fn refused(place: usize, error: PublishError) -> Trouble {
    match error {
        PublishError::Produce(error) if !is_the_records(&error) => {
            Trouble::Again(TransactionError::Aborted {
                reason: Reason::Record(error),
            })
        }
        error => Trouble::Refused(place, error),
    }
}

/// Whether the record itself is why it was not written, and would be again.
fn is_the_records(error: &ProduceError) -> bool {
    match error.kind() {
        ProduceErrorKind::RecordTooLarge { .. }
        | ProduceErrorKind::NoSuchPartition { .. }
        | ProduceErrorKind::Encode(_) => true,
        ProduceErrorKind::Rejected { code, .. } => [
            ErrorCode::MessageTooLarge,
            ErrorCode::InvalidTopicException,
            ErrorCode::RecordListTooLarge,
            ErrorCode::TopicAuthorizationFailed,
            ErrorCode::InvalidTimestamp,
            ErrorCode::PolicyViolation,
            ErrorCode::InvalidRecord,
        ]
        .contains(code),
        _ => false,
    }
}

fn trouble(error: TransactionError) -> Trouble {
    if error.is_aborted() {
        Trouble::Again(error)
    } else if error.is_outcome_unknown() {
        Trouble::Unknown(error)
    } else {
        Trouble::Fatal(error)
    }
}
