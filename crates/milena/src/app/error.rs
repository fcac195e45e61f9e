//! Why an application ended other than by being told to.

use std::sync::Arc;

use crate::config::ConfigError;
use crate::connect::ConnectionFailed;
use crate::failure::HandlerError;
use crate::publisher::PublishError;

/// Why [`App::run`](crate::App::run) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The configuration, or what was registered, cannot work; nothing was consumed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The client gave up: the cluster refuses, or the membership is lost for good.
    #[error(transparent)]
    Client(#[from] milena_client::Error),
    /// The cluster could not be reached when the application started.
    #[error(transparent)]
    Connection(#[from] ConnectionFailed),
    /// The health endpoints cannot listen where `health.address` says.
    #[error(
        "cannot listen on {address} for the health endpoints: {source}; set health.address to a free one"
    )]
    HealthAddress {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A process of [`Processes`](crate::Processes) could not be started, failed, or did not
    /// stop in time.
    #[error("{} {problem}", member(number))]
    Process {
        /// Which one; `None` when it is not known.
        number: Option<usize>,
        /// What happened.
        problem: String,
    },
    /// The runtime ended the application's task, or it panicked.
    #[error("the application was interrupted: its task panicked, or the runtime shut down")]
    Interrupted,
    /// The publisher for dead letters could not be made.
    #[error(transparent)]
    Publisher(Box<PublishError>),
    /// The transactional producer of a partition cannot go on: its transactional id is used by
    /// somebody else, or the cluster does not allow it. What is not committed will be handled
    /// again.
    #[error("transactional id {transactional_id:?}: {source}")]
    Transaction {
        /// Of the partition's producer.
        transactional_id: String,
        /// Why.
        source: Box<milena_client::transaction::TransactionError>,
    },
    /// A partition's worker ended without being told to: a bug in this library.
    #[error("the worker of {topic}/{partition} ended by itself; please report this")]
    WorkerEnded {
        /// The worker's topic.
        topic: Arc<str>,
        /// The worker's partition.
        partition: i32,
    },
    /// A handler failed with a terminal error. The record is not committed and will be
    /// handled again.
    #[error("terminal failure at {topic}/{partition} offset {offset}: {error}")]
    Terminal {
        /// The record's topic.
        topic: Arc<str>,
        /// The record's partition.
        partition: i32,
        /// The record's offset.
        offset: i64,
        /// What the handler said.
        error: HandlerError,
    },
    /// A job failed with a terminal error, or is set to stop the application when it fails.
    #[error("job {job:?} failed: {error}")]
    Job {
        /// The job.
        job: Arc<str>,
        /// What the job said.
        error: HandlerError,
    },
    /// A record failed for good and its dead letter could not be stored. It is not
    /// committed and will be handled again.
    #[error(
        "the dead letter of {topic}/{partition} offset {offset} was refused by {dead_letter_topic}: {source}"
    )]
    DeadLetter {
        /// The record's topic.
        topic: Arc<str>,
        /// The record's partition.
        partition: i32,
        /// The record's offset.
        offset: i64,
        /// Where it should have gone.
        dead_letter_topic: String,
        /// Why it did not.
        source: Box<PublishError>,
    },
}

fn member(number: &Option<usize>) -> String {
    match number {
        Some(number) => format!("member process {number}"),
        None => "a member process".to_owned(),
    }
}
