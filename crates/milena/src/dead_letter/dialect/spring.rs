//! Spring Kafka: `DeadLetterPublishingRecoverer` writes `kafka_dlt-*`, its retry topics
//! (`@RetryableTopic`, `DeadLetterPublishingRecovererFactory`) the same without `dlt-`.
//!
//! Partition is an int32, offset and timestamp are int64, all big-endian; the rest is UTF-8.
//! Original headers are appended with each dead letter, so the first of a name is the origin;
//! exception headers are replaced, the last one counts. `retry_topic-attempts` is an int32 (a
//! single byte before 2.8): the number the next attempt would have had.
//! Source: spring-kafka, `listener/DeadLetterPublishingRecoverer.java`,
//! `retrytopic/DeadLetterPublishingRecovererFactory.java`, `support/KafkaHeaders.java`.

use super::Parsed;
use super::fields::{Fields, known};
use crate::dead_letter::letter::{Failure, Origin};

const ATTEMPTS: &str = "retry_topic-attempts";
/// Wraps whatever a listener threw; its cause says more.
const WRAPPER: &str = "org.springframework.kafka.listener.ListenerExecutionFailedException";

pub(super) fn tells(name: &str) -> bool {
    ["kafka_dlt-", "kafka_exception-", "kafka_original-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// The state of retry topics included: a redriven record starts anew.
pub(super) fn is_diagnostic(name: &str) -> bool {
    tells(name) || name.starts_with("retry_topic-") || name.starts_with("springDeserializerExc")
}

pub(super) fn read(fields: &mut Fields<'_>) -> Parsed {
    let is_dlt = fields.names().any(|name| name.starts_with("kafka_dlt-"));
    let prefix = if is_dlt { "kafka_dlt-" } else { "kafka_" };
    let named = |name: &str| format!("{prefix}{name}");
    // A key that cannot be read has headers of its own.
    let of_key = !fields.has(&named("exception-fqcn"));
    let exception = |name: &str| {
        let key = if of_key { "key-" } else { "" };
        named(&format!("{key}exception-{name}"))
    };
    let class = fields.text(&exception("fqcn"));
    let cause = fields.text(&named("exception-cause-fqcn"));
    let code = match (class, cause) {
        (Some(class), Some(cause)) if class == WRAPPER => Some(cause),
        (class, cause) => class.or(cause),
    };
    let partition = fields.first_array(&named("original-partition"));
    let offset = fields.first_array(&named("original-offset"));
    let timestamp = fields.first_array(&named("original-timestamp"));
    Parsed {
        origin: Origin {
            topic: fields.first_text(&named("original-topic")),
            partition: partition.map(i32::from_be_bytes).and_then(known),
            offset: offset.map(i64::from_be_bytes).and_then(known),
            timestamp: timestamp.map(i64::from_be_bytes).and_then(known),
            timestamp_type: fields.first_text(&named("original-timestamp-type")),
            group: fields.first_text(&named("original-consumer-group")),
        },
        failure: Failure {
            code,
            message: fields.text(&exception("message")),
            trace: fields.text(&exception("stacktrace")),
            ..Failure::default()
        },
        attempts: attempts(fields),
        ..Parsed::default()
    }
}

fn attempts(fields: &mut Fields<'_>) -> Option<u32> {
    let next = match *fields.bytes(ATTEMPTS)? {
        [byte] => u32::from(byte),
        [a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
        ref other => {
            let found = other.len();
            fields.problem(format!("{ATTEMPTS} has {found} bytes instead of 4"));
            return None;
        }
    };
    Some(next.saturating_sub(1).max(1))
}
