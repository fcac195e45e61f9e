//! Which records of a retry topic's partition are due, and which hold up the others.
//!
//! A plain state machine for one partition: records come in in the order of the log and go
//! out in the order of their due times; the offset that may be committed follows. Times are
//! milliseconds since the Unix epoch, given by the caller. Knows no clock, no task and no
//! record.

use std::collections::BTreeMap;

use super::limits::{HOLDING_MS_MAX, MOVED_AT_ONCE_MAX, WAITING_BYTES_MAX, WAITING_MAX};
use crate::commit::Watermark;

/// Records of one partition that wait until they are due.
#[derive(Debug)]
pub(super) struct Parking<T> {
    /// By due time, then offset.
    waiting: BTreeMap<(i64, i64), Parked<T>>,
    bytes: usize,
    watermark: Watermark,
    /// The highest offset that is done.
    done_max: Option<i64>,
}

#[derive(Debug)]
struct Parked<T> {
    record: T,
    bytes: usize,
    since_ms: i64,
}

impl<T> Default for Parking<T> {
    fn default() -> Parking<T> {
        Parking {
            waiting: BTreeMap::new(),
            bytes: 0,
            watermark: Watermark::default(),
            done_max: None,
        }
    }
}

impl<T> Parking<T> {
    /// Whether another record may be read.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX && self.bytes < WAITING_BYTES_MAX
    }

    /// Takes the next record of the partition.
    pub(super) fn park(&mut self, offset: i64, due_ms: i64, record: T, bytes: usize, now_ms: i64) {
        self.watermark.start(offset);
        self.put_back(offset, due_ms, record, bytes, now_ms);
    }

    /// Takes a record back that was to be written elsewhere and was not.
    pub(super) fn put_back(
        &mut self,
        offset: i64,
        due_ms: i64,
        record: T,
        bytes: usize,
        now_ms: i64,
    ) {
        self.bytes += bytes;
        let parked = Parked {
            record,
            bytes,
            since_ms: now_ms,
        };
        self.waiting.insert((due_ms, offset), parked);
    }

    /// Notes the next record of the partition, which does not wait: it is under way.
    pub(super) fn pass(&mut self, offset: i64) {
        self.watermark.start(offset);
    }

    /// Everything before `next_offset` has been read.
    pub(super) fn skip_to(&mut self, next_offset: i64) {
        self.watermark.skip_to(next_offset);
    }

    /// When the next record is due.
    pub(super) fn next_due_ms(&self) -> Option<i64> {
        self.waiting.keys().next().map(|(due_ms, _)| *due_ms)
    }

    /// The record that has been due for longest; it is under way until it is finished.
    pub(super) fn take_due(&mut self, now_ms: i64) -> Option<(i64, T)> {
        let (due_ms, offset) = *self.waiting.keys().next()?;
        if due_ms > now_ms {
            return None;
        }
        let record = self.take((due_ms, offset))?;
        Some((offset, record))
    }

    /// A record that was taken is done: handled, or written elsewhere and acknowledged.
    pub(super) fn finish(&mut self, offset: i64) {
        self.watermark.finish(offset);
        self.done_max = self.done_max.max(Some(offset));
    }

    /// What may be committed.
    pub(super) fn committable(&self) -> Option<i64> {
        self.watermark.committable()
    }

    /// Takes records that are better written again at the end of the log: those that are not
    /// due for long and hold the commit before records that are done, and when there is no
    /// room, those due last. Only what has waited here for a while already, so that nothing
    /// is written again and again.
    pub(super) fn take_holding(&mut self, now_ms: i64) -> Vec<(i64, T)> {
        let has_waited = |parked: &Parked<T>| now_ms - parked.since_ms >= HOLDING_MS_MAX;
        let is_far = |due_ms: i64| due_ms - now_ms >= HOLDING_MS_MAX;
        let done_max = self.done_max;
        let holds = |(due_ms, offset): (i64, i64)| is_far(due_ms) && Some(offset) < done_max;
        let mut keys: Vec<(i64, i64)> = self
            .waiting
            .iter()
            .filter(|(key, parked)| has_waited(parked) && holds(**key))
            .map(|(key, _)| *key)
            .collect();
        if !self.has_room() {
            let last = self.waiting.iter().rev();
            let far = last.filter(|((due_ms, _), parked)| has_waited(parked) && is_far(*due_ms));
            keys.extend(far.map(|(key, _)| *key).take(WAITING_MAX / 4));
        }
        self.take_all(keys)
    }

    /// As [`Parking::take_holding`], when this is the last chance to commit: all that wait
    /// before a record that is done.
    pub(super) fn take_holding_at_the_end(&mut self) -> Vec<(i64, T)> {
        let done_max = self.done_max;
        let keys = self.waiting.keys().copied();
        let keys = keys
            .filter(|(_, offset)| Some(*offset) < done_max)
            .collect();
        self.take_all(keys)
    }

    fn take_all(&mut self, keys: Vec<(i64, i64)>) -> Vec<(i64, T)> {
        keys.into_iter()
            .take(MOVED_AT_ONCE_MAX)
            .filter_map(|key| Some((key.1, self.take(key)?)))
            .collect()
    }

    fn take(&mut self, key: (i64, i64)) -> Option<T> {
        let parked = self.waiting.remove(&key)?;
        self.bytes = self.bytes.saturating_sub(parked.bytes);
        Some(parked.record)
    }
}

#[cfg(test)]
mod tests;
