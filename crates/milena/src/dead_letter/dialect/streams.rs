//! Kafka Streams, with `errors.dead.letter.queue.topic.name` (KIP-1034, since 4.2):
//! `__streams.errors.*`, all UTF-8. The exception is its class, in the first versions class and
//! message as `toString` has them; the message may be a null header.
//! Source: Apache Kafka, `streams/errors/ExceptionHandlerUtils.java`.

use super::Parsed;
use super::fields::{Fields, known};
use crate::dead_letter::letter::{Failure, Origin};

const PREFIX: &str = "__streams.errors.";

pub(super) fn tells(name: &str) -> bool {
    name.starts_with(PREFIX)
}

pub(super) fn read(fields: &mut Fields<'_>) -> Parsed {
    let named = |name: &str| format!("{PREFIX}{name}");
    let exception = fields.text(&named("exception"));
    let code = exception.map(|text| match text.split_once(": ") {
        Some((class, _)) => class.to_owned(),
        None => text,
    });
    Parsed {
        origin: Origin {
            topic: fields.text(&named("topic")),
            partition: fields.number(&named("partition")).and_then(known),
            offset: fields.number(&named("offset")).and_then(known),
            ..Origin::default()
        },
        failure: Failure {
            code,
            message: fields.text(&named("message")),
            trace: fields.text(&named("stacktrace")),
            ..Failure::default()
        },
        ..Parsed::default()
    }
}
