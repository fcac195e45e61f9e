//! Which leader wrote which part of a log (KIP-101).
//!
//! A plain state machine: leaderships and truncations in, where an epoch ends out. Reads no
//! clock and no log.

/// The first record that a leader wrote, by its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochStart {
    pub(crate) epoch: i32,
    pub(crate) offset: i64,
}

/// The end of an epoch: the offset behind its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochEnd {
    /// The epoch asked for or, where it wrote nothing, the last one before it.
    pub(crate) epoch: i32,
    pub(crate) offset: i64,
}

/// The leaderships of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LeaderEpochs {
    /// Ascending in epoch and offset.
    starts: Vec<EpochStart>,
    current: i32,
}

impl LeaderEpochs {
    /// From a checkpoint.
    pub(crate) fn restore(starts: Vec<EpochStart>) -> Self {
        let current = starts.last().map_or(0, |last| last.epoch);
        LeaderEpochs { starts, current }
    }

    /// For a checkpoint.
    pub(crate) fn starts(&self) -> &[EpochStart] {
        &self.starts
    }

    /// The epoch of the leader.
    pub(crate) fn current(&self) -> i32 {
        self.current
    }

    /// A leader takes over a log that ends at `end_offset`.
    pub(crate) fn begin(&mut self, epoch: i32, end_offset: i64) {
        self.current = epoch;
        self.note(epoch, end_offset);
    }

    /// A batch of this epoch stands at `offset`: the epoch begins there, unless it is known.
    pub(crate) fn note(&mut self, epoch: i32, offset: i64) {
        if self.starts.last().is_some_and(|last| last.epoch >= epoch) {
            return;
        }
        // An epoch in which nothing was written leaves no trace.
        self.starts.retain(|start| start.offset < offset);
        self.starts.push(EpochStart { epoch, offset });
        self.current = self.current.max(epoch);
    }

    /// Where the records of `epoch` end in a log that ends at `end_offset`; `None` of an epoch
    /// newer than any that is known.
    pub(crate) fn end_of(&self, epoch: i32, end_offset: i64) -> Option<EpochEnd> {
        if epoch == self.current {
            let offset = end_offset;
            return Some(EpochEnd { epoch, offset });
        }
        let next = self.starts.iter().find(|start| start.epoch > epoch)?;
        let known = self.starts.iter().rev().find(|start| start.epoch <= epoch);
        Some(EpochEnd {
            epoch: known.map_or(epoch, |start| start.epoch),
            offset: next.offset,
        })
    }

    /// Who wrote the record at `offset`, or will write the one at the end.
    pub(crate) fn epoch_at(&self, offset: i64) -> Option<i32> {
        let mut newest_first = self.starts.iter().rev();
        let start = newest_first.find(|start| start.offset <= offset)?;
        Some(start.epoch)
    }

    /// Records from `end_offset` on are gone.
    pub(crate) fn truncate(&mut self, end_offset: i64) {
        self.starts.retain(|start| start.offset < end_offset);
    }

    /// Records before `start_offset` are gone.
    pub(crate) fn forget_before(&mut self, start_offset: i64) {
        let gone = self
            .starts
            .partition_point(|start| start.offset <= start_offset);
        if gone > 1 {
            self.starts.drain(..gone - 1);
        }
        if let Some(first) = self.starts.first_mut() {
            first.offset = first.offset.max(start_offset);
        }
    }
}

#[cfg(test)]
mod tests;
