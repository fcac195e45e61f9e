//! Which batches of a fetch response belong to aborted transactions (KIP-98).
//!
//! Owns the walk over one response's list of aborted transactions for a
//! `read_committed` consumer; must not know requests or how batches are read.

use std::collections::BTreeSet;

use milena_wire::batch::BatchHeader;
use milena_wire::batch::control::ControlRecord;

/// Walks the batches of one partition in one response, in order.
#[derive(Debug, Default)]
pub(crate) struct AbortedTransactions {
    /// `(first offset, producer id)`, latest first, so that the next one pops.
    upcoming: Vec<(i64, i64)>,
    open: BTreeSet<i64>,
}

impl AbortedTransactions {
    /// Takes `(producer id, first offset)` pairs in any order: brokers do not
    /// promise one.
    pub(crate) fn new(aborted: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut upcoming: Vec<(i64, i64)> = aborted
            .into_iter()
            .map(|(producer_id, first_offset)| (first_offset, producer_id))
            .collect();
        upcoming.sort_unstable_by(|left, right| right.cmp(left));
        Self {
            upcoming,
            open: BTreeSet::new(),
        }
    }

    /// Whether a data batch with this header must not be handed out.
    pub(crate) fn is_aborted(&mut self, header: &BatchHeader) -> bool {
        self.advance_to(header.last_offset());
        header.attributes.is_transactional() && self.open.contains(&header.producer_id)
    }

    /// Takes in a control batch: an abort marker ends the producer's aborted
    /// transaction.
    pub(crate) fn on_control(&mut self, header: &BatchHeader, record: Option<&ControlRecord>) {
        self.advance_to(header.last_offset());
        if matches!(record, Some(ControlRecord::Abort { .. })) {
            self.open.remove(&header.producer_id);
        }
    }

    fn advance_to(&mut self, last_offset: i64) {
        while let Some((first_offset, producer_id)) = self.upcoming.last().copied() {
            if first_offset > last_offset {
                break;
            }
            self.open.insert(producer_id);
            self.upcoming.pop();
        }
    }
}

#[cfg(test)]
mod tests;
