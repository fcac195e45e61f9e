//! Why dead letters could not be looked at, redriven or purged.

use std::time::Duration;

use milena_client::producer::ProduceError;
use milena_client::transaction::{Reason, TransactionError};
use milena_client::{Error, ErrorClass, ErrorCode};

use crate::config::ConfigError;

/// Why an operation on dead letters failed. What a redrive had confirmed before stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cluster could not be asked, or refused.
    #[error(transparent)]
    Client(#[from] Error),
    /// There is no such topic.
    #[error("topic {topic:?} does not exist; `dlq list` shows the dead letter topics")]
    NoTopic {
        /// The dead letter topic's name.
        topic: String,
    },
    /// There is no such partition.
    #[error("topic {topic:?} has no partition {partition}")]
    NoPartition {
        /// The dead letter topic's name.
        topic: String,
        /// The partition that was asked for.
        partition: i32,
    },
    /// Redriven into itself, a dead letter topic would never be done.
    #[error("{topic:?} cannot be redriven to itself; name another topic")]
    Loop {
        /// The dead letter topic's name.
        topic: String,
    },
    /// The topic that all letters were to go to does not exist.
    #[error("topic {topic:?}, where the letters were to go, does not exist; create it first")]
    NoDestination {
        /// The topic's name.
        topic: String,
    },
    /// Another redrive or purge of this topic began, and this one gave way; or its transaction did
    /// not end in time, which the cluster answers alike.
    #[error(
        "another redrive or purge of {topic:?} began and took over, or this one was given up by the \
         cluster for taking too long; what was confirmed before stays, and is not done again"
    )]
    TakenOver {
        /// The dead letter topic's name.
        topic: String,
    },
    /// The transaction that redrives letters together with their mark failed.
    #[error("{0}; run it again to go on: what was confirmed is not done again")]
    Transaction(#[from] TransactionError),
    /// A topic did not take a record.
    #[error("{0}; run it again to go on: what was confirmed is not done again")]
    Produce(#[from] ProduceError),
    /// Nothing came although there is more to read.
    #[error("nothing came from {topic:?} for {after:?}; is a broker down?")]
    Stalled {
        /// The topic that was read.
        topic: String,
        /// How long nothing came.
        after: Duration,
    },
    /// The audit topic is not there and could not be made.
    #[error(
        "cannot create {topic:?}, which remembers what was redriven: {source}; \
         create it with one partition and retention.ms=-1"
    )]
    Audit {
        /// The audit topic's name.
        topic: String,
        /// Why not.
        source: Error,
    },
}

impl DeadLetterError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            DeadLetterError::Client(error) | DeadLetterError::Audit { source: error, .. } => {
                error.class()
            }
            DeadLetterError::Transaction(error) => error.class(),
            DeadLetterError::Produce(error) => error.class(),
            DeadLetterError::Stalled { .. } => ErrorClass::Retriable,
            _ => ErrorClass::NonRetriable,
        }
    }

    /// The topic it tells of, if it does.
    pub(super) fn topic_mut(&mut self) -> Option<&mut String> {
        match self {
            DeadLetterError::NoTopic { topic }
            | DeadLetterError::NoPartition { topic, .. }
            | DeadLetterError::Loop { topic }
            | DeadLetterError::NoDestination { topic }
            | DeadLetterError::TakenOver { topic }
            | DeadLetterError::Stalled { topic, .. }
            | DeadLetterError::Audit { topic, .. } => Some(topic),
            DeadLetterError::Config(_)
            | DeadLetterError::Client(_)
            | DeadLetterError::Transaction(_)
            | DeadLetterError::Produce(_) => None,
        }
    }

    /// A transaction's error; one that tells of another operation on `topic` says so.
    pub(super) fn of_transaction(topic: &str, error: TransactionError) -> DeadLetterError {
        match error.reason() {
            Reason::Request(reason) if is_fenced(reason.code()) => DeadLetterError::TakenOver {
                topic: topic.to_owned(),
            },
            _ => error.into(),
        }
    }
}

fn is_fenced(code: Option<ErrorCode>) -> bool {
    matches!(
        code,
        Some(ErrorCode::ProducerFenced | ErrorCode::InvalidProducerEpoch)
    )
}
