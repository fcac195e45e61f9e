//! What the client tells of its operations, through [`tracing`]: spans with the names and attributes
//! of OpenTelemetry's conventions for messaging and for Kafka. Nothing is told of single records: a
//! batch, a poll, a commit, a request of an administrator has a span. While no subscriber wants
//! them, each costs one comparison.
//!
//! All spans have the level `INFO` and the target `milena_client::spans`, so that
//! `milena_client::spans=off` in a filter turns them off. With `tracing-opentelemetry` as a layer they
//! become spans of OpenTelemetry: `otel.name`, `otel.kind` and `otel.status_code` are for it.
//!
//! | Span | From, to | `messaging.operation.type` | `otel.kind` |
//! |---|---|---|---|
//! | `send` | a batch leaves in a request, its answer; each further attempt has a span of its own | `send` | producer |
//! | `poll` | a poll of a consumer, what it brings; a batch opened by `consume_next` or a stream | `receive` | client |
//! | `commit` | offsets are to be committed, they are; in a share group: acknowledgements | `settle` | client |
//! | `init_transactions` | a transactional producer asks for its id, has it | | client |
//! | `send_offsets_to_transaction` | offsets are added to a transaction, they are | `settle` | client |
//! | `commit_transaction`, `abort_transaction` | a transaction is ended, it has | | client |
//! | `admin` | a call of [`Admin`](crate::Admin), its result; attempts and pauses included | | client |
//! | `connect` | an address is dialled, the connection is ready | | client |
//! | `authenticate` | SASL begins, both sides are content; within `connect`, and again before a session ends | | client |
//!
//! A `send` has no parent, for a batch holds records of many callers; the other spans are children of
//! the span they are called in. Who wants a span a message makes one, and puts its context into the
//! record's headers: the client hands headers on as they are.
//!
//! | Attribute | Where | What |
//! |---|---|---|
//! | `messaging.system` | everywhere | `kafka` |
//! | `messaging.operation.name` | everywhere | the name of the span |
//! | `messaging.operation.type` | see above | |
//! | `messaging.client.id` | everywhere | `client.id` |
//! | `messaging.destination.name` | `send`, `poll`, `commit`, `send_offsets_to_transaction` | the topic; absent if there are several |
//! | `messaging.destination.partition.id` | as that | the partition; absent if there are several |
//! | `messaging.batch.message_count` | `send`, `poll` | records of the batch; of what was polled, at most: a batch counts whole |
//! | `messaging.kafka.offset` | `send`, `poll`, `commit` | of the first record written or handed out; that is committed. Absent if there are several partitions |
//! | `messaging.consumer.group.name` | `poll`, `commit`, `send_offsets_to_transaction` | `group.id` |
//! | `server.address`, `server.port` | `send`, `connect`, `authenticate` | the broker |
//! | `error.type` | where something failed | Kafka's name of the code, such as `NOT_LEADER_OR_FOLLOWER`; else `timeout`, `disconnected`, `connect`, `tls`, `authentication`, `protocol`, `unsupported`, `overloaded`, `unknown_topic`, `unknown_broker`, `no_offset`, `log_truncated`, `partitions_lost`, `membership_lost`, `invalid_state`, `config`, `closed` |
//! | `kafka.transactional_id` | transactions, `send` within one | `transactional.id` |
//! | `kafka.admin.call` | `admin` | what was asked for, such as `creation of topics` |
//! | `kafka.sasl.mechanism` | `authenticate` | such as `SCRAM-SHA-256` |

use std::future::Future;

use tracing::{Instrument, Span};

use crate::error::Error;
use crate::producer::{ProduceError, ProduceErrorKind};
use crate::topology::TopicPartition;
use crate::transaction::{Reason, TransactionError};

/// The target of all spans.
pub const TARGET: &str = "milena_client::spans";

pub(crate) const SYSTEM: &str = "messaging.system";
pub(crate) const OPERATION_NAME: &str = "messaging.operation.name";
pub(crate) const OPERATION_TYPE: &str = "messaging.operation.type";
pub(crate) const CLIENT_ID: &str = "messaging.client.id";
pub(crate) const DESTINATION: &str = "messaging.destination.name";
pub(crate) const PARTITION: &str = "messaging.destination.partition.id";
pub(crate) const MESSAGE_COUNT: &str = "messaging.batch.message_count";
pub(crate) const OFFSET: &str = "messaging.kafka.offset";
pub(crate) const GROUP: &str = "messaging.consumer.group.name";
pub(crate) const SERVER_ADDRESS: &str = "server.address";
pub(crate) const SERVER_PORT: &str = "server.port";
pub(crate) const ERROR_TYPE: &str = "error.type";
pub(crate) const TRANSACTIONAL_ID: &str = "kafka.transactional_id";
pub(crate) const ADMIN_CALL: &str = "kafka.admin.call";
pub(crate) const SASL_MECHANISM: &str = "kafka.sasl.mechanism";
pub(crate) const OTEL_NAME: &str = "otel.name";
pub(crate) const OTEL_KIND: &str = "otel.kind";
pub(crate) const OTEL_STATUS: &str = "otel.status_code";

/// A span of a messaging operation: its name, its kind, what it is told to hold beside what all
/// have. A field that is told later has to be named as `Empty`.
macro_rules! messaging_span {
    ($(parent: $parent:expr,)? $name:literal, $kind:literal, $client_id:expr, $($fields:tt)*) => {
        tracing::info_span!(
            target: crate::spans::TARGET,
            $(parent: $parent,)?
            $name,
            { crate::spans::SYSTEM } = "kafka",
            { crate::spans::OPERATION_NAME } = $name,
            { crate::spans::OTEL_KIND } = $kind,
            { crate::spans::CLIENT_ID } = $client_id,
            { crate::spans::ERROR_TYPE } = tracing::field::Empty,
            { crate::spans::OTEL_STATUS } = tracing::field::Empty,
            $($fields)*
        )
    };
}
pub(crate) use messaging_span;

/// Whether anybody may want spans: what is costly to prepare is not prepared otherwise.
pub(crate) fn are_wanted() -> bool {
    tracing::span_enabled!(target: TARGET, tracing::Level::INFO)
}

/// Carries `operation` out within `span`, and says how it failed if it did.
pub(crate) async fn observed<T, E: ErrorType>(
    span: Span,
    operation: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let result = operation.instrument(span.clone()).await;
    if let Err(error) = &result {
        failed(&span, error.error_type());
    }
    result
}

/// What `span` is about has failed.
pub(crate) fn failed(span: &Span, error_type: &'static str) {
    span.record(ERROR_TYPE, error_type);
    span.record(OTEL_STATUS, "ERROR");
}

/// Notes what `partitions` have in common, under the name that an operation has in OpenTelemetry:
/// with its destination, if there is one.
pub(crate) fn note_destination<'a>(
    span: &Span,
    operation: &str,
    mut partitions: impl Iterator<Item = (&'a TopicPartition, i64)>,
) {
    if span.is_disabled() {
        return;
    }
    let Some((first, offset)) = partitions.next() else {
        return;
    };
    let (mut is_one_topic, mut is_one_partition) = (true, true);
    for (other, _) in partitions {
        is_one_topic &= other.topic == first.topic;
        is_one_partition &= other == first;
    }
    if is_one_topic {
        span.record(DESTINATION, first.topic.as_ref());
        span.record(OTEL_NAME, format!("{operation} {}", first.topic));
    }
    if is_one_partition {
        span.record(PARTITION, tracing::field::display(first.partition));
        span.record(OFFSET, offset);
    }
}

/// Notes which broker an operation is about, by its `host:port`.
pub(crate) fn note_server(span: &Span, address: &str) {
    if let Some((host, port)) = address.rsplit_once(':') {
        span.record(SERVER_ADDRESS, host.trim_matches(['[', ']']));
        span.record(SERVER_PORT, port.parse::<u64>().unwrap_or_default());
    }
}

/// What an error is called in `error.type`: one of few words.
pub(crate) trait ErrorType {
    fn error_type(&self) -> &'static str;
}

impl ErrorType for Error {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Config { .. } => "config",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Authentication { .. } => "authentication",
            Self::Disconnected { .. } => "disconnected",
            Self::Timeout { .. } => "timeout",
            Self::Protocol { .. } => "protocol",
            Self::Unsupported { .. } => "unsupported",
            Self::Broker { code, .. } => code.name(),
            Self::UnknownTopic { .. } => "unknown_topic",
            Self::UnknownBroker { .. } => "unknown_broker",
            Self::Overloaded { .. } => "overloaded",
            Self::NoOffset { .. } => "no_offset",
            Self::LogTruncated { .. } => "log_truncated",
            Self::PartitionsLost { .. } => "partitions_lost",
            Self::MembershipLost { .. } => "membership_lost",
            Self::InvalidState { .. } => "invalid_state",
            Self::Closed => "closed",
        }
    }
}

impl ErrorType for ProduceError {
    fn error_type(&self) -> &'static str {
        match self.kind() {
            ProduceErrorKind::Closed => "closed",
            ProduceErrorKind::RecordTooLarge { .. } => "record_too_large",
            ProduceErrorKind::BufferFull { .. } => "buffer_full",
            ProduceErrorKind::TopicNotReady { .. } => "unknown_topic",
            ProduceErrorKind::NoSuchPartition { .. } => "no_such_partition",
            ProduceErrorKind::TimedOut { .. } => "timeout",
            ProduceErrorKind::Rejected { code, .. } => code.name(),
            ProduceErrorKind::Encode(_) => "encode",
            ProduceErrorKind::Client(error) => error.error_type(),
        }
    }
}

impl ErrorType for TransactionError {
    fn error_type(&self) -> &'static str {
        match self.reason() {
            Reason::Record(error) => error.error_type(),
            Reason::Request(error) => error.error_type(),
        }
    }
}
