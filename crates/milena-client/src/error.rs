//! What can go wrong in the client, in one enum with context, and what to do about it: retry, or not.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::wire::{ErrorClass, ErrorCode};

use crate::topology::{NodeId, TopicPartition};

/// Why a call on a client failed. Cheap to clone: one failure often answers many callers.
///
/// [`Error::class`] says whether trying again can help; the text says what to look at.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is not usable; nothing was sent.
    #[error("{field} = {value:?}: {expected}")]
    Config {
        /// Kafka's name of the setting, such as `bootstrap.servers`.
        field: String,
        /// The value as given. Secrets never get here.
        value: String,
        /// What is allowed instead.
        expected: String,
    },
    /// No TCP connection, or no Kafka on the other side of it.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port` as configured or as the cluster advertises it.
        address: String,
        /// What the operating system, the name service or the handshake said.
        source: Arc<io::Error>,
    },
    /// TLS was not established: a certificate is not trusted or missing, or one side does not speak
    /// TLS at all.
    #[error("no TLS connection to {address}: {reason}")]
    Tls {
        /// `host:port` of the broker.
        address: String,
        /// What does not fit, and which setting may mend it.
        reason: String,
    },
    /// The broker did not accept the credentials, or did not prove that it knows them.
    #[error("{mechanism} authentication at {address} failed: {reason}")]
    Authentication {
        /// The SASL mechanism.
        mechanism: String,
        /// `host:port` of the broker.
        address: String,
        /// What the broker said, or what is wrong with its answer. Holds no secret.
        reason: String,
    },
    /// The connection ended while the request was waiting. The broker may or may not have acted on it.
    #[error("connection to {address} lost: {reason}")]
    Disconnected {
        /// `host:port` of the broker.
        address: String,
        /// How it ended.
        reason: String,
    },
    /// No answer in time. The broker may or may not have acted on the request.
    #[error("{what} timed out after {after:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        after: Duration,
    },
    /// The other side sent something that is not Kafka's protocol, or that this client cannot read.
    #[error("protocol error: {context}")]
    Protocol {
        /// What did not fit, and where.
        context: String,
    },
    /// The broker has no version of a request in common with this client.
    #[error("{address} does not support {api} in a version this client can use")]
    Unsupported {
        /// `host:port` of the broker.
        address: String,
        /// The request's name.
        api: String,
    },
    /// The broker answered with an error code.
    #[error("{context}: {} ({})", code.name(), code.message())]
    Broker {
        /// Kafka's error code.
        code: ErrorCode,
        /// What was asked of which broker.
        context: String,
    },
    /// The topic does not exist (or not yet), and was not created.
    #[error("unknown topic {topic:?}: create it, or allow its automatic creation")]
    UnknownTopic {
        /// The topic's name.
        topic: Arc<str>,
    },
    /// The node is not among the cluster's known brokers.
    #[error("broker {node} is not known to the cluster")]
    UnknownBroker {
        /// The node that was asked for.
        node: NodeId,
    },
    /// More requests are queued on one connection than it is allowed to hold.
    #[error("too many requests are waiting for {address}")]
    Overloaded {
        /// `host:port` of the broker.
        address: String,
    },
    /// A partition has neither a committed offset nor a policy for where to start.
    #[error(
        "no committed offset for {partition} and auto.offset.reset is none: seek or commit first"
    )]
    NoOffset {
        /// The partition.
        partition: TopicPartition,
    },
    /// Records that were handed out are no longer in the partition: an unclean election, or a broker
    /// that lost its disk, has cut the log off (KIP-320). Only returned when `auto.offset.reset` is
    /// none; otherwise the consumer goes on where the logs part.
    #[error(
        "the log of {partition} was truncated below position {position}: {}; seek to go on",
        diverging(*.diverging_offset)
    )]
    LogTruncated {
        /// The partition.
        partition: TopicPartition,
        /// The offset that would have been handed out next.
        position: i64,
        /// The first offset whose record is gone or another one now; `None` when no leader knows.
        diverging_offset: Option<i64>,
    },
    /// Partitions are somebody else's before the consumer was done with them: its member was away for
    /// too long, or a rebalance came first. It joins again by itself.
    #[error("partitions of group {group_id:?} lost: {reason}")]
    PartitionsLost {
        /// The group.
        group_id: String,
        /// What took them.
        reason: String,
    },
    /// The consumer is out of its group for good, such as fenced by another with its instance id.
    #[error("membership of group {group_id:?} lost: {reason}")]
    MembershipLost {
        /// The group.
        group_id: String,
        /// What took it.
        reason: String,
    },
    /// The call does not fit what was done before, such as `subscribe` after `assign`.
    #[error("{what}")]
    InvalidState {
        /// What does not fit, and what to do instead.
        what: String,
    },
    /// The client, producer or consumer was closed.
    #[error("closed")]
    Closed,
}

impl Error {
    /// Whether a later attempt can succeed: [`ErrorClass::Retriable`] yes, [`ErrorClass::NonRetriable`]
    /// not with this request, [`ErrorClass::Terminal`] not with this client instance.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Connect { .. }
            | Self::Disconnected { .. }
            | Self::Timeout { .. }
            | Self::UnknownBroker { .. }
            | Self::Overloaded { .. }
            | Self::UnknownTopic { .. } => ErrorClass::Retriable,
            Self::Broker { code, .. } => code.class(),
            Self::Closed
            | Self::MembershipLost { .. }
            | Self::Tls { .. }
            | Self::Authentication { .. } => ErrorClass::Terminal,
            Self::Config { .. }
            | Self::Protocol { .. }
            | Self::Unsupported { .. }
            | Self::NoOffset { .. }
            | Self::LogTruncated { .. }
            | Self::PartitionsLost { .. }
            | Self::InvalidState { .. } => ErrorClass::NonRetriable,
        }
    }

    /// Whether trying the same again can succeed.
    pub fn is_retriable(&self) -> bool {
        matches!(self.class(), ErrorClass::Retriable)
    }

    /// The broker's error code, if this is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Broker { code, .. } => Some(*code),
            _ => None,
        }
    }

    pub(crate) fn broker(code: impl Into<ErrorCode>, context: impl Into<String>) -> Self {
        Self::Broker {
            code: code.into(),
            context: context.into(),
        }
    }

    pub(crate) fn protocol(context: impl Into<String>) -> Self {
        Self::Protocol {
            context: context.into(),
        }
    }

    pub(crate) fn config(
        field: impl Into<String>,
        value: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Config {
            field: field.into(),
            value: value.into(),
            expected: expected.into(),
        }
    }
}

fn diverging(offset: Option<i64>) -> String {
    match offset {
        Some(offset) => format!("records from offset {offset} on are gone or others now"),
        None => "nobody knows from which offset on".to_owned(),
    }
}
