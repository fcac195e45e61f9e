//! A set of offsets, kept as ranges: neighbours cost nothing.

use std::collections::BTreeMap;

/// Offsets, as ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    /// The last offset of each range, by its first.
    last_by_first: BTreeMap<i64, i64>,
}

impl Ranges {
    /// Adds `first..=last`.
    pub(super) fn insert(&mut self, first: i64, last: i64) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        while let Some((known_first, known_last)) = self.touching(first, last) {
            self.last_by_first.remove(&known_first);
            first = first.min(known_first);
            last = last.max(known_last);
        }
        self.last_by_first.insert(first, last);
    }

    pub(super) fn contains(&self, offset: i64) -> bool {
        let mut before = self.last_by_first.range(..=offset);
        before.next_back().is_some_and(|(_, last)| *last >= offset)
    }

    /// First and last offset of each range, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, i64)> {
        self.last_by_first
            .iter()
            .map(|(first, last)| (*first, *last))
    }

    /// A range that overlaps or touches `first..=last`.
    fn touching(&self, first: i64, last: i64) -> Option<(i64, i64)> {
        let (known_first, known_last) = self
            .last_by_first
            .range(..=last.saturating_add(1))
            .next_back()?;
        (known_last.saturating_add(1) >= first).then_some((*known_first, *known_last))
    }
}

#[cfg(test)]
mod tests;
