//! Why a message was not published.

use std::time::Duration;

use milena_client::ErrorClass;
use milena_client::producer::ProduceError;

use super::spool::SpoolError;
use crate::config::ConfigError;

/// Why a message was not published, or a publisher could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic's name is not legal.
    #[error("topic {topic:?}: {problem}")]
    Topic {
        /// The name, with the configured prefix.
        topic: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The client could not be set up, flushed or closed.
    #[error(transparent)]
    Client(#[from] milena_client::Error),
    /// The producer did not take the message, or the broker did not acknowledge it.
    #[error(transparent)]
    Produce(#[from] ProduceError),
    /// The circuit breaker lets nothing through now.
    #[error("nothing gets through to the cluster; try again after {retry_after:?}")]
    BreakerOpen {
        /// When the next message may probe.
        retry_after: Duration,
    },
    /// The spool could not be opened, or did not take the message.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// All attempts failed, and the dead letter was not written either.
    #[error(
        "topic {topic:?}: given up after {attempts} attempts: {last}{}",
        lost(dead_letter)
    )]
    Undelivered {
        /// The topic, without the configured prefix.
        topic: String,
        /// How often it was tried.
        attempts: u32,
        /// Why the last attempt failed.
        last: ProduceError,
        /// Why there is no dead letter; `None` when none was asked for.
        dead_letter: Option<Box<PublishError>>,
    },
}

fn lost(dead_letter: &Option<Box<PublishError>>) -> String {
    dead_letter
        .as_ref()
        .map(|error| format!("; its dead letter was refused: {error}"))
        .unwrap_or_default()
}

impl PublishError {
    /// Whether publishing the same message again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            PublishError::Topic { .. } | PublishError::Config(_) => ErrorClass::NonRetriable,
            PublishError::BreakerOpen { .. } => ErrorClass::Retriable,
            PublishError::Spool(error) => error.class(),
            PublishError::Client(error) => error.class(),
            PublishError::Produce(error) | PublishError::Undelivered { last: error, .. } => {
                error.class()
            }
        }
    }
}
