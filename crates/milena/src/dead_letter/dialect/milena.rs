//! Our own dead letters; the names are in `names`.

use super::Parsed;
use super::fields::{Fields, known};
use crate::dead_letter::history::Attempt;
use crate::dead_letter::letter::{Failure, Origin};
use crate::dead_letter::names;

pub(super) fn tells(name: &str) -> bool {
    name.starts_with("milena-failure-") || name == names::ORIGIN_TOPIC
}

pub(super) fn read(fields: &mut Fields<'_>) -> Parsed {
    Parsed {
        origin: Origin {
            topic: fields.text(names::ORIGIN_TOPIC),
            partition: fields.number(names::ORIGIN_PARTITION).and_then(known),
            offset: fields.number(names::ORIGIN_OFFSET).and_then(known),
            timestamp: fields.number(names::ORIGIN_TIMESTAMP).and_then(known),
            timestamp_type: fields.text(names::ORIGIN_TIMESTAMP_TYPE),
            group: fields.text(names::ORIGIN_GROUP),
        },
        failure: Failure {
            stage: fields.text(names::FAILURE_STAGE),
            code: fields.text(names::FAILURE_CODE),
            class: fields.text(names::FAILURE_CLASS),
            message: fields.text(names::FAILURE_MESSAGE),
            trace: fields.text(names::FAILURE_TRACE),
        },
        attempts: fields.number(names::ATTEMPTS),
        failed_first: fields.time(names::FAILED_FIRST),
        failed_last: fields.time(names::FAILED_LAST),
        history: history(fields),
        handler: fields.text(names::HANDLER),
        app: fields.text(names::APP),
        host: fields.text(names::HOST),
        fingerprint: fields.text(names::FAILURE_FINGERPRINT),
        ..Parsed::default()
    }
}

fn history(fields: &mut Fields<'_>) -> Vec<Attempt> {
    let Some(text) = fields.text(names::HISTORY) else {
        return Vec::new();
    };
    match serde_json::from_str(&text) {
        Ok(history) => history,
        Err(error) => {
            fields.problem(format!("{}: {error}", names::HISTORY));
            Vec::new()
        }
    }
}
