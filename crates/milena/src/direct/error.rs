//! What goes wrong with clients used by hand.

use std::sync::Arc;

use milena_client::ErrorClass;

use crate::config::ConfigError;
use crate::connect::ConnectionFailed;
use crate::failure::HandlerError;
use crate::publisher::PublishError;

/// Why a call on a [`Producer`](crate::Producer) or [`Consumer`](crate::Consumer) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectError {
    /// The cluster could not be reached.
    #[error(transparent)]
    ConnectionFailed(#[from] ConnectionFailed),
    /// The producer was used before it was connected.
    #[error("the producer is not connected: call `connect` first")]
    ProducerNotConnected,
    /// The consumer was used before it was connected.
    #[error("the consumer is not connected: call `connect` first")]
    ConsumerNotConnected,
    /// There is nothing to consume.
    #[error("no topics: call `subscribe`, or `register` a handler, first")]
    NotSubscribed,
    /// The client was used after it was shut down.
    #[error("the {client} was shut down: make a new one")]
    ShutDown {
        /// `producer` or `consumer`.
        client: &'static str,
    },
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A message was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The cluster, or the way to it, failed.
    #[error(transparent)]
    Client(#[from] milena_client::Error),
    /// A registered handler failed. Its message comes again with the next
    /// [`Consumer::consume`](crate::Consumer::consume), unless it is
    /// [committed](crate::Consumer::commit) before.
    #[error("the handler failed at {topic}/{partition} offset {offset}: {error}")]
    Handler {
        /// The message's topic, without the prefix.
        topic: Arc<str>,
        /// The message's partition.
        partition: i32,
        /// The message's offset.
        offset: i64,
        /// What the handler said.
        error: HandlerError,
    },
}

impl DirectError {
    /// Whether calling again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            DirectError::ConnectionFailed(failed) => failed.source.class(),
            DirectError::Publish(error) => error.class(),
            DirectError::Client(error) => error.class(),
            DirectError::Handler { error, .. } => error.class(),
            DirectError::ShutDown { .. } => ErrorClass::Terminal,
            DirectError::ProducerNotConnected
            | DirectError::ConsumerNotConnected
            | DirectError::NotSubscribed
            | DirectError::Config(_) => ErrorClass::NonRetriable,
        }
    }
}
