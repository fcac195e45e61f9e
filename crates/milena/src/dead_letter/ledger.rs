//! What was done to the letters of a topic: the audit topic, and what follows from it.
//!
//! Owns the form of audit records and the marks of redriven letters. A record that says
//! "redriven" is written in the transaction that redrives, so the two are true together: the audit
//! topic is what tells which letters were redriven, nothing is written into the dead letter topic.

use std::collections::BTreeMap;

use jiff::Timestamp;
use milena_client::admin::TopicDescription;
use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::letter::DeadLetter;
use super::ranges::Ranges;

/// The audit topic of a dead letter topic.
pub(super) fn audit_topic(topic: &str) -> String {
    format!("{topic}{AUDIT_SUFFIX}")
}

pub(super) const AUDIT_SUFFIX: &str = ".audit";

/// One record of the audit topic; its key is the id. JSON, read and written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AuditEntry {
    /// Of the redrive or purge.
    pub(super) id: String,
    /// When this was written, RFC 3339.
    pub(super) at: String,
    /// Who did it.
    pub(super) by: String,
    /// The dead letter topic.
    pub(super) topic: String,
    /// Its id: one that is made anew has other letters at the same offsets.
    pub(super) topic_id: String,
    #[serde(flatten)]
    pub(super) event: AuditEvent,
}

/// Letters: partition, first and last offset of neighbours.
pub(super) type Offsets = Vec<(i32, i64, i64)>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum AuditEvent {
    RedriveStarted {
        filter: serde_json::Value,
        /// Where to, unless each letter goes where it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// These letters were redriven, in the transaction that wrote this.
    Redriven {
        letters: Offsets,
        /// How many went to each topic.
        destinations: BTreeMap<String, u64>,
    },
    /// The destination did not take this letter; it stays.
    Refused {
        partition: i32,
        offset: i64,
        error: String,
    },
    RedriveEnded {
        redriven: u64,
        refused: u64,
        skipped: BTreeMap<String, u64>,
        interrupted: bool,
    },
    /// The letters before these offsets are about to be deleted.
    Purge { before: Vec<(i32, i64)> },
    /// Of a later version: no matter.
    #[serde(other)]
    Other,
}

impl AuditEntry {
    /// What is done now.
    pub(super) fn new(
        topic: &TopicDescription,
        id: &str,
        by: &str,
        event: AuditEvent,
    ) -> AuditEntry {
        AuditEntry {
            id: id.to_owned(),
            at: format!("{:.3}", Timestamp::now()),
            by: by.to_owned(),
            topic: topic.name.clone(),
            topic_id: topic.id.to_string(),
            event,
        }
    }
}

impl AuditEvent {
    pub(super) fn started(filter: &Filter, to: Option<&str>) -> AuditEvent {
        AuditEvent::RedriveStarted {
            filter: serde_json::to_value(filter).unwrap_or_default(),
            to: to.map(str::to_owned),
        }
    }
}

/// Which letters of a topic were redriven.
#[derive(Debug, Default)]
pub(super) struct Marks {
    redriven: BTreeMap<i32, Ranges>,
}

impl Marks {
    /// Takes an audit record into account if it speaks of the topic of this id. One that cannot be
    /// read marks nothing.
    pub(super) fn learn(&mut self, value: &[u8], topic_id: &str) {
        let Ok(entry) = serde_json::from_slice::<AuditEntry>(value) else {
            tracing::warn!(event = "dead_letter_audit_record_unreadable");
            return;
        };
        if entry.topic_id != topic_id {
            return;
        }
        if let AuditEvent::Redriven { letters, .. } = entry.event {
            self.add(&letters);
        }
    }

    pub(super) fn add(&mut self, letters: &[(i32, i64, i64)]) {
        for (partition, first, last) in letters {
            let redriven = self.redriven.entry(*partition).or_default();
            redriven.insert(*first, *last);
        }
    }

    pub(super) fn is_redriven(&self, letter: &DeadLetter) -> bool {
        self.is_marked(letter.partition, letter.offset)
    }

    fn is_marked(&self, partition: i32, offset: i64) -> bool {
        let redriven = self.redriven.get(&partition);
        redriven.is_some_and(|redriven| redriven.contains(offset))
    }

    /// Everything, as an audit record has it.
    pub(super) fn offsets(&self) -> Offsets {
        let offsets = self.redriven.iter().flat_map(|(partition, ranges)| {
            let ranges = ranges.iter();
            ranges.map(|(first, last)| (*partition, first, last))
        });
        offsets.collect()
    }
}

#[cfg(test)]
mod tests;
