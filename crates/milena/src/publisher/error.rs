//! Why a message was not published.

use milena_client::ErrorClass;
use milena_client::producer::ProduceError;

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
}

impl PublishError {
    /// Whether publishing the same message again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            PublishError::Topic { .. } | PublishError::Config(_) => ErrorClass::NonRetriable,
            PublishError::Client(error) => error.class(),
            PublishError::Produce(error) => error.class(),
        }
    }
}
