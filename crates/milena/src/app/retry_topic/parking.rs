//! Which records of a retry topic's partition are due, and which hold up the others.
//!
//! A plain state machine for one partition: records come in in the order of the log and go
//! out in the order of their due times, each topic's in its [lane](super::lanes); the offset
//! that may be committed follows. All that wait count against one bound, due or not. Times
//! are milliseconds since the Unix epoch, given by the caller. Knows no clock, no task and no
//! record.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lanes::Lanes;
use super::limits::{HOLDING_MS_MAX, MOVED_AT_ONCE_MAX, WAITING_BYTES_MAX, WAITING_MAX};
use crate::commit::Watermark;

/// Records of one partition that wait until they are due, and until it is their turn.
#[derive(Debug)]
pub(super) struct Parking<T> {
    /// Not due yet, by due time, then offset.
    waiting: BTreeMap<(i64, i64), Parked<T>>,
    due: Lanes<T>,
    /// Records that wait, in both, and their bytes.
    records: usize,
    bytes: usize,
    watermark: Watermark,
    /// The highest offset that is done.
    done_max: Option<i64>,
    sharing: Sharing,
}

/// Whose records there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Those of one topic: they hold up nobody else's.
    OneTopic,
    Topics,
}

/// A record that waits.
#[derive(Debug)]
pub(super) struct Parked<T> {
    pub(super) offset: i64,
    pub(super) due_ms: i64,
    /// The topic it comes back to.
    pub(super) topic: Arc<str>,
    pub(super) bytes: usize,
    /// When it came here.
    pub(super) since_ms: i64,
    pub(super) record: T,
}

impl<T> Parked<T> {
    fn has_waited(&self, now_ms: i64) -> bool {
        now_ms - self.since_ms >= HOLDING_MS_MAX
    }
}

impl<T> Parking<T> {
    pub(super) fn new(sharing: Sharing) -> Parking<T> {
        Parking {
            waiting: BTreeMap::new(),
            due: Lanes::default(),
            records: 0,
            bytes: 0,
            watermark: Watermark::default(),
            done_max: None,
            sharing,
        }
    }

    /// Whether another record may be read.
    pub(super) fn has_room(&self) -> bool {
        self.records < WAITING_MAX && self.bytes < WAITING_BYTES_MAX
    }

    /// Takes the next record of the partition.
    pub(super) fn park(&mut self, parked: Parked<T>) {
        self.watermark.start(parked.offset);
        self.put_back(parked);
    }

    /// Takes a record back that is not done after all.
    pub(super) fn put_back(&mut self, parked: Parked<T>) {
        self.records += 1;
        self.bytes += parked.bytes;
        self.waiting.insert((parked.due_ms, parked.offset), parked);
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

    /// The next record that is due and whose topic has room for it; it is under way until it
    /// [is not](Parking::end).
    pub(super) fn begin(&mut self, now_ms: i64) -> Option<Parked<T>> {
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now_ms
        {
            self.due.push(first.remove());
        }
        let begun = self.due.begin()?;
        self.forget(&begun);
        Some(begun)
    }

    /// A record of the topic is not under way any more.
    pub(super) fn end(&mut self, topic: &str) {
        self.due.finish(topic);
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

    /// Whether a record has been here for a while, and the commit of others waits for it.
    pub(super) fn holds_for_long(&self, parked: &Parked<T>, now_ms: i64) -> bool {
        parked.has_waited(now_ms) && Some(parked.offset) < self.done_max
    }

    /// Takes records that are better written again at the end of the log: those that hold the
    /// commit before records that are done, and are not due for long or wait for their topic,
    /// which is slow or paused. When there is no room, also those due last, or the last of
    /// those that wait for their topic: another topic's may be behind them. Only what has
    /// waited here for a while already, so that nothing is written again and again.
    pub(super) fn take_holding(&mut self, now_ms: i64) -> Vec<Parked<T>> {
        let done_max = self.done_max;
        let holds =
            |parked: &Parked<T>| parked.has_waited(now_ms) && Some(parked.offset) < done_max;
        let is_far = |due_ms: i64| due_ms - now_ms >= HOLDING_MS_MAX;
        let mut taken = self.due.take_if(holds);
        let has_room = self.has_room();
        let mut keys: Vec<(i64, i64)> = self
            .waiting
            .iter()
            .filter(|((due_ms, _), parked)| is_far(*due_ms) && holds(parked))
            .map(|(key, _)| *key)
            .collect();
        if !has_room {
            let last = self.waiting.iter().rev();
            let far =
                last.filter(|((due_ms, _), parked)| is_far(*due_ms) && parked.has_waited(now_ms));
            keys.extend(far.map(|(key, _)| *key).take(WAITING_MAX / 4));
        }
        taken.extend(keys.into_iter().filter_map(|key| self.waiting.remove(&key)));
        if !has_room && taken.is_empty() && self.sharing == Sharing::Topics {
            let may_go = |parked: &Parked<T>| parked.has_waited(now_ms);
            taken = self.due.take_last(WAITING_MAX / 4, may_go);
        }
        self.at_once(taken)
    }

    /// As [`Parking::take_holding`], when this is the last chance to commit: all that wait
    /// before a record that is done.
    pub(super) fn take_holding_at_the_end(&mut self) -> Vec<Parked<T>> {
        let done_max = self.done_max;
        let mut taken = self.due.take_if(|parked| Some(parked.offset) < done_max);
        let keys = self.waiting.keys().copied();
        let keys: Vec<(i64, i64)> = keys
            .filter(|(_, offset)| Some(*offset) < done_max)
            .collect();
        taken.extend(keys.into_iter().filter_map(|key| self.waiting.remove(&key)));
        self.at_once(taken)
    }

    /// As many as may be written at once; the others stay.
    fn at_once(&mut self, mut taken: Vec<Parked<T>>) -> Vec<Parked<T>> {
        for parked in &taken {
            self.forget(parked);
        }
        let rest = taken.split_off(taken.len().min(MOVED_AT_ONCE_MAX));
        rest.into_iter().for_each(|parked| self.put_back(parked));
        taken
    }

    fn forget(&mut self, parked: &Parked<T>) {
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(parked.bytes);
    }
}

#[cfg(test)]
mod tests;
