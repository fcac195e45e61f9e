//! Writes what one partition's records came to, and their offset, in one transaction after
//! the other.

use std::sync::Arc;

use milena_client::consumer::Consumer;
use milena_client::producer::{Delivery, ProduceError, ProduceErrorKind, ProducerConfig};
use milena_client::transaction::{
    ConsumerGroupMetadata, Outcome, Reason, Transaction, TransactionError, TransactionalProducer,
};
use milena_client::{Client, Error, ErrorCode, TopicPartition};
use tokio::time::Instant;

use super::limits::HEARD_LOOK_INTERVAL;
use crate::app::failed::{Ended, sleep_unless_stopped};
use crate::app::stop::StopFlag;
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
    pub(in crate::app) consumer: Arc<Consumer>,
}

/// A record that is done, and what it came to.
pub(super) struct Done {
    pub(super) message: Message,
    pub(super) content: Vec<Content>,
    pub(super) ended: Ended,
}

/// How a transaction is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// Outputs and offsets at once.
    None,
    /// The offsets only once the outputs are there: what fails before was an output.
    OutputsFirst,
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
    /// Something of it cannot be written. Whose it is cannot be told: all that were not sent
    /// yet fail for the same reason.
    Suspect(TransactionError),
}

/// The transactional producer of one partition.
pub(super) struct Transactor {
    transactions: Arc<Transactions>,
    partition: TopicPartition,
    producer: TransactionalProducer,
}

impl Transactions {
    pub(super) fn id(&self, partition: i32) -> String {
        transactional_id(&self.group, &self.topic, partition)
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

/// No two partitions of any groups have the same: what stands between its parts is in no
/// topic's name, so that it can be read from the right in one way.
fn transactional_id(group: &str, topic: &str, partition: i32) -> String {
    format!("{group}:{topic}:{partition}")
}

impl Transactor {
    /// Where the group is in the partition, now that nobody else can move it.
    pub(super) async fn committed(&self) -> Result<Option<i64>, milena_client::Error> {
        let partition = std::slice::from_ref(&self.partition);
        let offsets = self.transactions.consumer.committed(partition).await?;
        Ok(offsets.into_iter().find_map(|(_, offset)| offset))
    }

    /// Commits everything the records came to, and that the next record is `next_offset`.
    pub(super) async fn commit(
        &mut self,
        work: &[Done],
        next_offset: i64,
        care: Care,
    ) -> Result<(), Trouble> {
        let transaction = self.producer.begin().await.map_err(trouble)?;
        let mut outputs: Vec<Output> = Vec::new();
        for (place, done) in work.iter().enumerate() {
            for content in &done.content {
                let output = write(&self.transactions.publisher, &transaction, content).await;
                outputs.push(output.map_err(|error| not_taken(place, content, error))?);
            }
        }
        let mut written = Vec::new();
        if care == Care::OutputsFirst {
            for Output { delivery, told } in std::mem::take(&mut outputs) {
                let answer = delivery.await.map_err(lost)?;
                written.extend(told.map(|told| (told, answer)));
            }
        }
        let may_be_an_output = care == Care::None && !work.is_empty();
        let trouble = |error: TransactionError| match may_be_an_output && is_an_output(&error) {
            true => Trouble::Suspect(error),
            false => trouble(error),
        };
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
        transaction.commit().await.map_err(trouble)?;
        for (told, answer) in written {
            told.tell(&Ok(answer));
        }
        for Output { delivery, told } in outputs {
            if let Some(told) = told {
                told.tell(&delivery.await);
            }
        }
        Ok(())
    }

    /// Waits until the group's coordinator was heard so often; false on a stop. How often it
    /// is, the configuration says, or the coordinator itself.
    pub(super) async fn hears(&self, times: u32, stop: &StopFlag) -> bool {
        let mut last_heard = Instant::now();
        let mut heard = 0;
        while heard < times {
            if !sleep_unless_stopped(HEARD_LOOK_INTERVAL, stop).await {
                return false;
            }
            let ago = self.transactions.consumer.health().last_heard;
            let at = ago.and_then(|ago| Instant::now().checked_sub(ago));
            if let Some(at) = at.filter(|at| *at > last_heard) {
                heard += 1;
                // What a look takes is no heartbeat.
                last_heard = at + HEARD_LOOK_INTERVAL;
            }
        }
        true
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

/// What was taken into a transaction, and what is to be told of it.
struct Output {
    delivery: Delivery,
    told: Option<Sending>,
}

async fn write(
    publisher: &Publisher,
    transaction: &Transaction<'_>,
    content: &Content,
) -> Result<Output, PublishError> {
    let (delivery, told) = match content {
        Content::Message(message, trace) => {
            let trace = trace.as_deref();
            publisher.enqueue_in(transaction, message, trace).await?
        }
        Content::DeadLetter(topic, letter) => {
            let letter = publisher.enqueue_letter_in(transaction, topic, letter);
            (letter.await?, None)
        }
    };
    Ok(Output { delivery, told })
}

/// What it means that something was not taken into the transaction.
fn not_taken(place: usize, content: &Content, error: PublishError) -> Trouble {
    let PublishError::Produce(error) = error else {
        return Trouble::Refused(place, error);
    };
    match error.kind() {
        // Nothing but this very output fails so.
        ProduceErrorKind::RecordTooLarge { .. } | ProduceErrorKind::NoSuchPartition { .. } => {
            Trouble::Refused(place, error.into())
        }
        // It was waited for long enough. Dead letters have no other place to go.
        ProduceErrorKind::Client(Error::UnknownTopic { .. }) => match content {
            Content::Message(..) => Trouble::Refused(place, error.into()),
            Content::DeadLetter(..) => again(error),
        },
        // Those whose transaction has failed are told of that, too.
        _ => lost(error),
    }
}

/// What it means that an output was not written.
fn lost(error: ProduceError) -> Trouble {
    if is_the_records(&error) {
        Trouble::Suspect(aborted(error))
    } else {
        again(error)
    }
}

fn again(error: ProduceError) -> Trouble {
    Trouble::Again(aborted(error))
}

fn aborted(error: ProduceError) -> TransactionError {
    TransactionError::Aborted {
        reason: Reason::Record(error),
    }
}

/// Whether a transaction failed over an output that would fail again. Perhaps: a coordinator
/// refuses offsets with the same codes.
fn is_an_output(error: &TransactionError) -> bool {
    error.is_aborted()
        && match error.reason() {
            Reason::Record(error) => is_the_records(error),
            Reason::Request(error) => is_refusal(error.code()),
            _ => false,
        }
}

/// Whether the record itself is why it was not written, and would be again.
fn is_the_records(error: &ProduceError) -> bool {
    match error.kind() {
        ProduceErrorKind::RecordTooLarge { .. }
        | ProduceErrorKind::NoSuchPartition { .. }
        | ProduceErrorKind::Encode(_) => true,
        ProduceErrorKind::Rejected { code, .. } => is_refusal(Some(*code)),
        // A topic that is looked up, or added to a transaction, is refused before any record.
        ProduceErrorKind::Client(error) => is_refusal(error.code()),
        _ => false,
    }
}

fn is_refusal(code: Option<ErrorCode>) -> bool {
    code.is_some_and(|code| {
        [
            ErrorCode::MessageTooLarge,
            ErrorCode::InvalidTopicException,
            ErrorCode::RecordListTooLarge,
            ErrorCode::TopicAuthorizationFailed,
            ErrorCode::InvalidTimestamp,
            ErrorCode::PolicyViolation,
            ErrorCode::InvalidRecord,
        ]
        .contains(&code)
    })
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

#[cfg(test)]
mod tests;
