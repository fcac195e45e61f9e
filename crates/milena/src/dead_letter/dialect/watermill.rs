//! Watermill (Go), middleware `PoisonQueue`: `*_poisoned`, all UTF-8. Metadata of a message are
//! headers, set once each. Neither partition nor offset are told.
//! Source: ThreeDotsLabs/watermill, `message/router/middleware/poison.go`; watermill-kafka,
//! `pkg/kafka/marshaler.go`.

use super::Parsed;
use super::fields::Fields;
use crate::dead_letter::letter::{Failure, Origin};

const REASON: &str = "reason_poisoned";
const TOPIC: &str = "topic_poisoned";
const HANDLER: &str = "handler_poisoned";
const SUBSCRIBER: &str = "subscriber_poisoned";

pub(super) fn tells(name: &str) -> bool {
    [REASON, TOPIC].contains(&name)
}

pub(super) fn is_diagnostic(name: &str) -> bool {
    tells(name) || [HANDLER, SUBSCRIBER].contains(&name)
}

pub(super) fn read(fields: &mut Fields<'_>) -> Parsed {
    Parsed {
        origin: Origin {
            topic: fields.text(TOPIC),
            ..Origin::default()
        },
        failure: Failure {
            message: fields.text(REASON),
            ..Failure::default()
        },
        handler: fields.text(HANDLER),
        ..Parsed::default()
    }
}
