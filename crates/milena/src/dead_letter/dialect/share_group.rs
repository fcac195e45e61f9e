//! Brokers, for share groups with `errors.deadletterqueue.topic.name` (KIP-1191): `__dlq.errors.*`,
//! all UTF-8. The topic is its id when its name is not known any more. Key and value are there only
//! with `errors.deadletterqueue.copy.record.enable`, and the record's own headers never.
//! Source: Apache Kafka, `server/share/dlq/ShareGroupDLQStateManager.java`.

use super::Parsed;
use super::fields::{Fields, known};
use crate::dead_letter::letter::{Failure, Origin};

const PREFIX: &str = "__dlq.errors.";

pub(super) fn tells(name: &str) -> bool {
    name.starts_with(PREFIX)
}

pub(super) fn read(fields: &mut Fields<'_>) -> Parsed {
    let named = |name: &str| format!("{PREFIX}{name}");
    Parsed {
        origin: Origin {
            topic: fields.text(&named("topic")),
            partition: fields.number(&named("partition")).and_then(known),
            offset: fields.number(&named("offset")).and_then(known),
            group: fields.text(&named("group")),
            ..Origin::default()
        },
        failure: Failure {
            message: fields.text(&named("message")),
            ..Failure::default()
        },
        attempts: fields.number(&named("delivery.count")),
        ..Parsed::default()
    }
}
