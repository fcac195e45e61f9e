//! The names of a dead letter's headers, whose values are all UTF-8 text, and of its topic.

use crate::message::MESSAGE_ID_HEADER;

/// The topic the record was consumed from, as the cluster names it.
pub const ORIGIN_TOPIC: &str = "milena-origin-topic";
/// The partition the record was consumed from.
pub const ORIGIN_PARTITION: &str = "milena-origin-partition";
/// The offset the record was consumed from.
pub const ORIGIN_OFFSET: &str = "milena-origin-offset";
/// The record's timestamp, in milliseconds since the Unix epoch.
pub const ORIGIN_TIMESTAMP: &str = "milena-origin-timestamp";
/// `CreateTime` or `LogAppendTime`.
pub const ORIGIN_TIMESTAMP_TYPE: &str = "milena-origin-timestamp-type";
/// The consumer group that could not handle the record.
pub const ORIGIN_GROUP: &str = "milena-origin-group";
/// `decode`, `validate`, `handle` or `publish`.
pub const FAILURE_STAGE: &str = "milena-failure-stage";
/// The failure's name for machines.
pub const FAILURE_CODE: &str = "milena-failure-code";
/// `retriable`, `non-retriable` or `terminal`.
pub const FAILURE_CLASS: &str = "milena-failure-class";
/// What went wrong, for people; bounded.
pub const FAILURE_MESSAGE: &str = "milena-failure-message";
/// The causes, one a line; bounded.
pub const FAILURE_TRACE: &str = "milena-failure-trace";
/// The same for failures that look the same; 16 hexadecimal digits.
pub const FAILURE_FINGERPRINT: &str = "milena-failure-fingerprint";
/// How often the record was tried.
pub const ATTEMPTS: &str = "milena-attempts";
/// When the record failed first, RFC 3339.
pub const FAILED_FIRST: &str = "milena-failed-first";
/// When the record failed last, RFC 3339.
pub const FAILED_LAST: &str = "milena-failed-last";
/// The attempts: a bounded JSON list of objects with `attempt`, `at`, `class`, `code` and
/// `message`.
pub const HISTORY: &str = "milena-history";
/// The message's id.
pub const MESSAGE_ID: &str = MESSAGE_ID_HEADER;
/// The W3C trace context of the message.
pub const TRACEPARENT: &str = "traceparent";
/// The handler that failed.
pub const HANDLER: &str = "milena-handler";
/// The application (its client id).
pub const APP: &str = "milena-app";
/// The host the application ran on.
pub const HOST: &str = "milena-host";
/// How often the record was redriven.
pub const REDRIVE_COUNT: &str = "milena-redrive-count";
/// The latest redrive's id.
pub const REDRIVE_ID: &str = "milena-redrive-id";
/// Who redrove the record.
pub const REDRIVE_BY: &str = "milena-redrive-by";

/// When a record in a retry topic is to be handled again, RFC 3339.
pub const RETRY_DUE: &str = "milena-retry-due";

/// Where the dead letters of a topic go, unless told otherwise.
pub(crate) fn topic_default(topic: &str) -> String {
    format!("{topic}.dlq")
}

/// Whether a header says something about an earlier failure, and gives way to the new
/// one. Ids, trace context and redrive counts go with the record.
pub(crate) fn is_diagnostic(name: &str) -> bool {
    name.starts_with("milena-origin-")
        || name.starts_with("milena-failure-")
        || [
            ATTEMPTS,
            FAILED_FIRST,
            FAILED_LAST,
            HISTORY,
            HANDLER,
            APP,
            HOST,
            RETRY_DUE,
        ]
        .contains(&name)
}
