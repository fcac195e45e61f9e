//! Compares what a run was promised with what was read back.
//!
//! A test numbers its records: a [`RecordId`] is a lane (one writer that sends in order) and a number
//! that grows. It tells the history every acknowledgement, every failure and every record read, in
//! the order these happened, and gets the [`Anomaly`]s. Knows no client and no broker.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// One record of a test, written into its value as `lane:number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// Who sent it; one lane sends in the order of its numbers.
    pub lane: u32,
    /// Grows by one with each record of the lane.
    pub number: u64,
}

impl RecordId {
    /// The id that a record's value says.
    ///
    /// # Errors
    /// When it says none.
    pub fn of_value(value: Option<&[u8]>) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(value.unwrap_or_default())?;
        text.parse().map_err(anyhow::Error::msg)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.lane, self.number)
    }
}

impl FromStr for RecordId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once(':').and_then(|(lane, number)| {
            Some(Self {
                lane: lane.parse().ok()?,
                number: number.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| format!("{text:?} is not a record id such as 3:14"))
    }
}

/// A place in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Anomaly {
    /// Acknowledged, and never read.
    Lost(RecordId),
    /// Read more than once.
    Duplicated(RecordId, Vec<Place>),
    /// Read although a later record of its lane had been read from the same partition before.
    Reordered {
        /// What came too late.
        late: RecordId,
        /// What had been read before it.
        after: RecordId,
    },
    /// Read elsewhere than acknowledged.
    Moved {
        /// Which record.
        id: RecordId,
        /// Where the acknowledgement said it is.
        acknowledged: Place,
        /// Where it was read.
        read: Place,
    },
    /// Read, and never sent.
    Phantom(RecordId, Place),
    /// Offsets of a partition went back or stood still while reading.
    OffsetNotAscending {
        /// The place read.
        at: Place,
        /// The offset read just before.
        after: i64,
    },
}

/// What happened in a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    acknowledged: BTreeMap<RecordId, Option<Place>>,
    /// Sent with an unknown end: may be there once, or not at all.
    in_doubt: BTreeSet<RecordId>,
    reads: Vec<Read>,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    reader: u32,
    place: Place,
    id: RecordId,
}

impl History {
    /// An empty history.
    pub fn new() -> Self {
        Self::default()
    }

    /// The broker promised to keep `id`, at `place` if it said where.
    pub fn acknowledged(&mut self, id: RecordId, place: Option<Place>) {
        self.in_doubt.remove(&id);
        self.acknowledged.insert(id, place);
    }

    /// `id` was sent and nobody knows whether it was written.
    pub fn in_doubt(&mut self, id: RecordId) {
        if !self.acknowledged.contains_key(&id) {
            self.in_doubt.insert(id);
        }
    }

    /// `reader` got `id` from `place`. Order matters within one reader and partition.
    pub fn read(&mut self, reader: u32, place: Place, id: RecordId) {
        self.reads.push(Read { reader, place, id });
    }

    /// How many records were acknowledged.
    pub fn acknowledged_count(&self) -> usize {
        self.acknowledged.len()
    }

    /// How many records may be there or not.
    pub fn in_doubt_count(&self) -> usize {
        self.in_doubt.len()
    }

    /// The acknowledged records that are not among `seen`, in their order.
    pub fn acknowledged_not_in(&self, seen: &BTreeSet<RecordId>) -> Vec<RecordId> {
        let acknowledged = self.acknowledged.keys();
        acknowledged
            .filter(|id| !seen.contains(id))
            .copied()
            .collect()
    }

    /// What is among `seen` although it was neither acknowledged nor is in doubt, in its order.
    pub fn unexpected_in(&self, seen: &BTreeSet<RecordId>) -> Vec<RecordId> {
        let is_unexpected =
            |id: &&RecordId| !self.acknowledged.contains_key(id) && !self.in_doubt.contains(id);
        seen.iter().filter(is_unexpected).copied().collect()
    }

    /// The greatest offset that an acknowledgement named in `partition`.
    pub fn last_acknowledged(&self, partition: i32) -> Option<i64> {
        let places = self.acknowledged.values().flatten();
        let offsets = places.filter(|place| place.partition == partition);
        offsets.map(|place| place.offset).max()
    }

    /// How many acknowledged records have been read at least once.
    pub fn acknowledged_and_read_count(&self) -> usize {
        let read: BTreeSet<RecordId> = self.reads.iter().map(|read| read.id).collect();
        self.acknowledged
            .keys()
            .filter(|id| read.contains(id))
            .count()
    }

    /// Every broken promise, sorted; empty when all is well.
    pub fn anomalies(&self) -> Vec<Anomaly> {
        let mut anomalies = Vec::new();
        self.check_presence(&mut anomalies);
        self.check_order(&mut anomalies);
        anomalies.sort();
        anomalies
    }

    /// # Panics
    /// When a promise was broken, with the first ones.
    #[track_caller]
    pub fn assert_sound(&self) {
        let anomalies = self.anomalies();
        let shown: Vec<String> = anomalies
            .iter()
            .take(10)
            .map(|a| format!("{a:?}"))
            .collect();
        assert!(
            anomalies.is_empty(),
            "{} anomalies in {} acknowledged and {} read records: {}",
            anomalies.len(),
            self.acknowledged.len(),
            self.reads.len(),
            shown.join(", ")
        );
    }

    fn check_presence(&self, anomalies: &mut Vec<Anomaly>) {
        let mut places: BTreeMap<RecordId, Vec<Place>> = BTreeMap::new();
        for read in &self.reads {
            places.entry(read.id).or_default().push(read.place);
        }
        for (id, acknowledged) in &self.acknowledged {
            match (places.get(id).map(Vec::as_slice), acknowledged) {
                (None, _) => anomalies.push(Anomaly::Lost(*id)),
                (Some([read]), Some(acknowledged)) if read != acknowledged => {
                    anomalies.push(Anomaly::Moved {
                        id: *id,
                        acknowledged: *acknowledged,
                        read: *read,
                    });
                }
                _ => {}
            }
        }
        for (id, places) in places {
            if places.len() > 1 {
                anomalies.push(Anomaly::Duplicated(id, places));
            } else if !self.acknowledged.contains_key(&id) && !self.in_doubt.contains(&id) {
                anomalies.push(Anomaly::Phantom(id, places[0]));
            }
        }
    }

    fn check_order(&self, anomalies: &mut Vec<Anomaly>) {
        let mut last_of_lane: BTreeMap<(u32, i32, u32), RecordId> = BTreeMap::new();
        let mut last_offset: BTreeMap<(u32, i32), i64> = BTreeMap::new();
        for Read { reader, place, id } in &self.reads {
            let partition = place.partition;
            if let Some(after) = last_offset.insert((*reader, partition), place.offset)
                && place.offset <= after
            {
                anomalies.push(Anomaly::OffsetNotAscending { at: *place, after });
            }
            let last = last_of_lane
                .entry((*reader, partition, id.lane))
                .or_insert(*id);
            if id.number < last.number {
                anomalies.push(Anomaly::Reordered {
                    late: *id,
                    after: *last,
                });
            } else {
                *last = *id;
            }
        }
    }
}

#[cfg(test)]
mod tests;
