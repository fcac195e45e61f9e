//! The records in the application's hands, and what it says of them.
//!
//! Owns the rule that each record is acknowledged once; must not know sessions.

use std::collections::BTreeMap;

use super::config::AcknowledgementMode;
use super::session::{PartitionId, Verdict};
use crate::topology::NodeId;

/// A record that was handed out.
#[derive(Debug, Clone, Copy)]
struct Handed {
    /// Who has acquired it for us.
    node: NodeId,
    verdict: Option<Verdict>,
}

/// A verdict on its way to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) node: NodeId,
    pub(super) partition: PartitionId,
    pub(super) offset: i64,
    pub(super) verdict: Verdict,
}

/// All records that were handed out and not told of yet.
#[derive(Debug, Default)]
pub(super) struct Hand {
    records: BTreeMap<(PartitionId, i64), Handed>,
}

impl Hand {
    /// A record is handed out.
    pub(super) fn take(&mut self, partition: PartitionId, offset: i64, node: NodeId) {
        let handed = Handed {
            node,
            verdict: None,
        };
        self.records.insert((partition, offset), handed);
    }

    /// Says what becomes of a record; false if it is not in hand.
    pub(super) fn judge(&mut self, partition: PartitionId, offset: i64, verdict: Verdict) -> bool {
        let handed = self.records.get_mut(&(partition, offset));
        let is_in_hand = handed.is_some();
        if let Some(handed) = handed {
            handed.verdict = Some(verdict);
        }
        is_in_hand
    }

    /// Records without a verdict.
    pub(super) fn undecided_count(&self) -> usize {
        let undecided = self.records.values().filter(|one| one.verdict.is_none());
        undecided.count()
    }

    /// Takes what has a verdict; in implicit mode everything else is accepted.
    pub(super) fn give(&mut self, mode: AcknowledgementMode) -> Vec<Given> {
        let mut given = Vec::new();
        self.records.retain(|(partition, offset), handed| {
            let implied = match mode {
                AcknowledgementMode::Implicit => Some(Verdict::Accept),
                AcknowledgementMode::Explicit => None,
            };
            let Some(verdict) = handed.verdict.or(implied) else {
                return true;
            };
            given.push(Given {
                node: handed.node,
                partition: *partition,
                offset: *offset,
                verdict,
            });
            false
        });
        given
    }
}

#[cfg(test)]
mod tests;
