//! What happened to a record, attempt by attempt; bounded.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::limits::{HISTORY_ENTRIES_MAX, HISTORY_MESSAGE_BYTES_MAX, cut};
use crate::failure::{HandlerError, class_name};

/// The failed attempts at one record. Keeps the first and the latest.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// What the record brought along, told already.
    before: Vec<Attempt>,
    entries: Vec<Attempt>,
    attempts: u32,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// One failed attempt at a record, as the header `milena-history` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Attempt {
    /// Its number, from 1; begins anew after a redrive.
    pub attempt: u32,
    /// When it failed, RFC 3339.
    pub at: String,
    /// `retriable`, `non-retriable` or `terminal`.
    pub class: String,
    /// The failure's name for machines.
    pub code: String,
    /// What went wrong, for people; bounded.
    pub message: String,
}

impl History {
    /// Goes on where another member of the group left off: `text` is what it wrote as
    /// `milena-history`.
    pub(crate) fn resumed(attempts: u32, text: Option<&str>, first: Option<&str>) -> History {
        History {
            before: parsed(text),
            attempts,
            first: first.and_then(|first| first.parse().ok()),
            ..History::default()
        }
    }

    /// Adds a failed attempt.
    pub(crate) fn push(&mut self, at: Timestamp, error: &HandlerError) {
        self.attempts += 1;
        self.first.get_or_insert(at);
        self.last = Some(at);
        self.entries.push(Attempt {
            attempt: self.attempts,
            at: rfc3339(at),
            class: class_name(error.class()).to_owned(),
            code: cut(error.code(), HISTORY_MESSAGE_BYTES_MAX).to_owned(),
            message: cut(error.message(), HISTORY_MESSAGE_BYTES_MAX).to_owned(),
        });
        bound(&mut self.entries);
    }

    /// Corrects how many attempts failed, when not all of them were told.
    pub(crate) fn set_attempts(&mut self, attempts: u32) {
        self.attempts = attempts;
    }

    /// How many attempts failed.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(super) fn first(&self) -> Option<String> {
        self.first.map(rfc3339)
    }

    pub(super) fn last(&self) -> Option<String> {
        self.last.map(rfc3339)
    }

    /// All entries, after those of an earlier dead letter (its `milena-history`), with
    /// every message passed through `redact`.
    pub(super) fn entries(
        &self,
        earlier: Option<&str>,
        redact: impl Fn(&str) -> String,
    ) -> Vec<Attempt> {
        let mut entries = parsed(earlier);
        entries.extend(self.before.iter().cloned());
        entries.extend(self.entries.iter().cloned().map(|entry| Attempt {
            message: cut(&redact(&entry.message), HISTORY_MESSAGE_BYTES_MAX).to_owned(),
            ..entry
        }));
        bound(&mut entries);
        entries
    }
}

/// What cannot be read is no history.
fn parsed(text: Option<&str>) -> Vec<Attempt> {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// With milliseconds, in UTC.
fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn bound(entries: &mut Vec<Attempt>) {
    let excess = entries.len().saturating_sub(HISTORY_ENTRIES_MAX);
    if excess > 0 {
        entries.drain(1..=excess);
    }
}
