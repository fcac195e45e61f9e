//! Wolverine (.NET), with a native dead letter queue: `exception-*`, `failed-at` (milliseconds since
//! the Unix epoch) and, in later versions, `original-*`; all UTF-8. The destination is a URI such
//! as `kafka://topic/orders`. `attempts` is the envelope's own count.
//! Source: JasperFx/wolverine, `Transports/DeadLetterQueueConstants.cs`, `KafkaListener.cs`.

use super::Parsed;
use super::fields::{Fields, known};
use crate::dead_letter::letter::{Failure, Origin};

const TYPE: &str = "exception-type";
const MESSAGE: &str = "exception-message";
const STACK: &str = "exception-stack";
const FAILED_AT: &str = "failed-at";
const DESTINATION: &str = "original-destination";
const PARTITION: &str = "original-partition";
const OFFSET: &str = "original-offset";
const ATTEMPTS: &str = "attempts";
/// Before the topic in a destination.
const TOPIC_PATH: &str = "://topic/";

pub(super) fn tells(name: &str) -> bool {
    [TYPE, STACK].contains(&name)
}

pub(super) fn is_diagnostic(name: &str) -> bool {
    tells(name) || [MESSAGE, FAILED_AT, DESTINATION, PARTITION, OFFSET, ATTEMPTS].contains(&name)
}

pub(super) fn read(fields: &mut Fields<'_>) -> Parsed {
    let destination = fields.text(DESTINATION);
    let topic = destination.as_deref().and_then(|destination| {
        let (_, topic) = destination.split_once(TOPIC_PATH)?;
        Some(topic.trim_end_matches('/').to_owned())
    });
    if let (Some(destination), None) = (&destination, &topic) {
        fields.problem(format!(
            "{DESTINATION} {destination:?} names no Kafka topic"
        ));
    }
    let failed_at = fields.number(FAILED_AT);
    Parsed {
        origin: Origin {
            topic,
            partition: fields.number(PARTITION).and_then(known),
            offset: fields.number(OFFSET).and_then(known),
            ..Origin::default()
        },
        failure: Failure {
            code: fields.text(TYPE),
            message: fields.text(MESSAGE),
            trace: fields.text(STACK).filter(|stack| !stack.is_empty()),
            ..Failure::default()
        },
        attempts: fields.number(ATTEMPTS),
        failed_last: failed_at,
        ..Parsed::default()
    }
}
