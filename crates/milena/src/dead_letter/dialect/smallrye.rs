//! SmallRye Reactive Messaging, what Quarkus uses, with `failure-strategy=dead-letter-queue`:
//! `dead-letter-*`, all UTF-8. They come before the record's own headers, so of several the first
//! tells about the latest failure, and the last about the origin.
//! Source: smallrye-reactive-messaging, `kafka/fault/KafkaDeadLetterQueue.java`.

use super::Parsed;
use super::fields::{Fields, known};
use crate::dead_letter::letter::{Failure, Origin};

const CLASS: &str = "dead-letter-exception-class-name";
const CAUSE_CLASS: &str = "dead-letter-cause-class-name";
const REASON: &str = "dead-letter-reason";
const CAUSE: &str = "dead-letter-cause";
const TOPIC: &str = "dead-letter-topic";
const PARTITION: &str = "dead-letter-partition";
const OFFSET: &str = "dead-letter-offset";

pub(super) fn tells(name: &str) -> bool {
    [CLASS, REASON, TOPIC].contains(&name)
}

pub(super) fn is_diagnostic(name: &str) -> bool {
    tells(name) || [CAUSE_CLASS, CAUSE, PARTITION, OFFSET].contains(&name)
}

pub(super) fn read(fields: &mut Fields<'_>) -> Parsed {
    let cause_class = fields.first_text(CAUSE_CLASS);
    let cause = fields.first_text(CAUSE);
    let trace = match (cause_class, cause) {
        (Some(class), Some(cause)) => Some(format!("{class}: {cause}")),
        (class, cause) => class.or(cause),
    };
    Parsed {
        origin: Origin {
            topic: fields.text(TOPIC),
            partition: fields.number(PARTITION).and_then(known),
            offset: fields.number(OFFSET).and_then(known),
            ..Origin::default()
        },
        failure: Failure {
            code: fields.first_text(CLASS),
            message: fields.first_text(REASON),
            trace,
            ..Failure::default()
        },
        ..Parsed::default()
    }
}
