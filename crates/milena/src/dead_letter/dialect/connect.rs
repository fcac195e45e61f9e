//! Kafka Connect, with `errors.deadletterqueue.context.headers.enable`: `__connect.errors.*`,
//! all UTF-8, numbers included. A header that is there already is not written again, so the first
//! failure counts. Without that setting a letter of Connect tells nothing.
//! Source: Apache Kafka, `connect/runtime/errors/DeadLetterQueueReporter.java`; KIP-298.

use super::Parsed;
use super::fields::{Fields, known};
use crate::dead_letter::letter::{Failure, Origin};

const PREFIX: &str = "__connect.errors.";

pub(super) fn tells(name: &str) -> bool {
    name.starts_with(PREFIX)
}

pub(super) fn read(fields: &mut Fields<'_>) -> Parsed {
    let named = |name: &str| format!("{PREFIX}{name}");
    let connector = fields.text(&named("connector.name"));
    let task = fields.text(&named("task.id"));
    let handler = connector.map(|connector| match task {
        Some(task) => format!("{connector}-{task}"),
        None => connector,
    });
    Parsed {
        origin: Origin {
            // Empty, and -1, for a record that was not consumed.
            topic: fields
                .text(&named("topic"))
                .filter(|topic| !topic.is_empty()),
            partition: fields.number(&named("partition")).and_then(known),
            offset: fields.number(&named("offset")).and_then(known),
            ..Origin::default()
        },
        failure: Failure {
            stage: fields.text(&named("stage")),
            code: fields.text(&named("exception.class.name")),
            message: fields.text(&named("exception.message")),
            trace: fields.text(&named("exception.stacktrace")),
            ..Failure::default()
        },
        handler,
        ..Parsed::default()
    }
}
