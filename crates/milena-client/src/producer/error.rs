//! Why a record was not delivered.

use std::sync::Arc;
use std::time::Duration;

use crate::{ErrorClass, ErrorCode};

use crate::error::Error;

/// Why a record was not accepted, or not acknowledged. One pointer, so that results stay small on
/// the way of every record; cheap to clone: the records of a batch share one.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct ProduceError(Arc<ProduceErrorKind>);

/// What a [`ProduceError`] is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceErrorKind {
    /// The producer was closed before the record was accepted, or before it was acknowledged.
    #[error("the producer is closed")]
    Closed,
    /// The record cannot fit, whatever the load.
    #[error(
        "record of {record_bytes} bytes is larger than {setting}={limit_bytes}; raise it, or send less"
    )]
    RecordTooLarge {
        /// Size of the record in its wire form, an upper bound.
        record_bytes: usize,
        /// The setting that it does not fit.
        setting: &'static str,
        /// That setting's value.
        limit_bytes: usize,
    },
    /// No buffer space became free in time: records arrive faster than the cluster takes them.
    #[error("no buffer space within {waited:?}; slow down, or raise buffer_bytes_max or max_block")]
    BufferFull {
        /// How long the call waited; zero for `try_enqueue`.
        waited: Duration,
    },
    /// `try_enqueue` met a topic whose partitions are not known yet.
    #[error("topic {topic:?} is not known yet; use enqueue, or call topic() first")]
    TopicNotReady {
        /// The topic.
        topic: Arc<str>,
    },
    /// The caller or the partitioner named a partition that the topic does not have.
    #[error("topic {topic:?} has partitions 0..{partition_count}, not {partition}")]
    NoSuchPartition {
        /// The topic.
        topic: Arc<str>,
        /// The partition that was asked for.
        partition: i32,
        /// How many the topic has.
        partition_count: usize,
    },
    /// The delivery timeout passed without an acknowledgement.
    #[error(
        "topic {topic:?} partition {partition}: not acknowledged within {after:?}{}",
        if *.maybe_written { "; it may have been written all the same" } else { "; it was not sent" }
    )]
    TimedOut {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// The delivery timeout.
        after: Duration,
        /// Whether the broker may have the record: true once it was sent without an answer.
        maybe_written: bool,
    },
    /// The broker refused the batch.
    #[error("topic {topic:?} partition {partition}: {}{}", code.name(), detail(message))]
    Rejected {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// The broker's error code.
        code: ErrorCode,
        /// The broker's explanation, where it gave one.
        message: Option<Arc<str>>,
    },
    /// The records could not be compressed or put into the wire form.
    #[error("the batch could not be encoded: {0}")]
    Encode(String),
    /// The cluster could not be reached, or refused the producer as a whole. Credentials that are
    /// withdrawn, and certificates that are not trusted any more, fail what waits for that broker at
    /// once; what was on its way before may have been written.
    #[error(transparent)]
    Client(Error),
}

impl ProduceError {
    /// What went wrong, to match on.
    #[must_use]
    pub fn kind(&self) -> &ProduceErrorKind {
        &self.0
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.kind().class()
    }

    /// Shorthand for a retriable [`class`](Self::class). Sending again after
    /// [`TimedOut`](ProduceErrorKind::TimedOut) with `maybe_written` can write the record twice.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.class() == ErrorClass::Retriable
    }
}

impl ProduceErrorKind {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Closed => ErrorClass::Terminal,
            Self::RecordTooLarge { .. } | Self::NoSuchPartition { .. } | Self::Encode(_) => {
                ErrorClass::NonRetriable
            }
            Self::BufferFull { .. } | Self::TopicNotReady { .. } | Self::TimedOut { .. } => {
                ErrorClass::Retriable
            }
            Self::Rejected { code, .. } => code.class(),
            Self::Client(error) => error.class(),
        }
    }
}

impl From<ProduceErrorKind> for ProduceError {
    #[cold]
    fn from(kind: ProduceErrorKind) -> Self {
        ProduceError(Arc::new(kind))
    }
}

impl From<Error> for ProduceError {
    #[cold]
    fn from(error: Error) -> Self {
        ProduceErrorKind::Client(error).into()
    }
}

fn detail(message: &Option<Arc<str>>) -> String {
    message
        .as_ref()
        .map(|text| format!(": {text}"))
        .unwrap_or_default()
}
