//! Up to where a log was compacted, and when: tombstones stay for a time after the first pass that saw them.

use crate::storage::codec::{Reader, Writer};

/// Passes remembered; older ones are merged, which keeps some tombstones longer.
const PASSES_MAX: usize = 32;

/// The passes over one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Oldest first.
    passes: Vec<Pass>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pass {
    /// The offset behind what it looked at.
    until: i64,
    /// Wall clock, milliseconds.
    at_ms: i64,
}

impl Progress {
    /// What is before it was compacted at least once.
    pub(crate) fn clean_until(&self) -> i64 {
        self.passes.last().map_or(0, |pass| pass.until)
    }

    /// Tombstones before this were seen by a pass that long ago.
    pub(crate) fn tombstones_until(&self, now_ms: i64, retention_ms: i64) -> i64 {
        let spent = self
            .passes
            .iter()
            .filter(|pass| pass.at_ms.saturating_add(retention_ms) <= now_ms);
        spent.map(|pass| pass.until).max().unwrap_or(0)
    }

    /// Remembers a pass.
    pub(crate) fn passed(&mut self, until: i64, at_ms: i64) {
        if until <= self.clean_until() {
            return;
        }
        self.passes.push(Pass { until, at_ms });
        if self.passes.len() > PASSES_MAX {
            self.passes.remove(0);
        }
    }

    /// The log ends at `end_offset` now.
    pub(crate) fn truncate(&mut self, end_offset: i64) {
        for pass in &mut self.passes {
            pass.until = pass.until.min(end_offset);
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.put_count(self.passes.len());
        for pass in &self.passes {
            writer.put_i64(pass.until);
            writer.put_i64(pass.at_ms);
        }
        writer.into_bytes()
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<Progress> {
        let mut reader = Reader::new(payload);
        let mut progress = Progress::default();
        for _ in 0..reader.take_count()? {
            progress.passes.push(Pass {
                until: reader.take_i64()?,
                at_ms: reader.take_i64()?,
            });
        }
        reader.is_empty().then_some(progress)
    }
}
