//! What a partition knows of its idempotent producers (KIP-98).
//!
//! A plain state machine: a batch's producer id, epoch and sequences in, a verdict
//! out. Reads no clock and no log. The last five batches of each producer are
//! remembered, so that a retry is recognised and answered with the offset it got.

use std::collections::{HashMap, VecDeque};

use crate::limits::{PRODUCER_BATCHES_KEPT, PRODUCERS_PER_PARTITION_MAX};

/// The producer fields of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequenced {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
}

impl Sequenced {
    /// Reads them from a batch header; `None` without a producer id.
    pub(crate) fn of(header: &milena_wire::batch::BatchHeader) -> Option<Sequenced> {
        (header.producer_id >= 0).then(|| Sequenced {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            first_sequence: header.base_sequence,
            last_sequence: advance(header.base_sequence, header.last_offset_delta),
        })
    }
}

/// A batch that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AppendedBatch {
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) timestamp: i64,
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It is in the log already, at this offset.
    Duplicate(AppendedBatch),
    /// A sequence is missing before it (or it is an older duplicate than we remember).
    OutOfOrder {
        expected: i32,
    },
    /// A newer instance of the producer has taken over.
    StaleEpoch {
        current: i16,
    },
}

/// Everything remembered about the producers of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    entries: HashMap<i64, Producer>,
}

/// One producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    /// Oldest first; never empty, at most [`PRODUCER_BATCHES_KEPT`].
    pub(crate) batches: VecDeque<AppendedBatch>,
}

impl Producers {
    /// Judges a batch without changing anything.
    pub(crate) fn judge(&self, batch: Sequenced) -> Verdict {
        // Of an unknown producer any sequence is taken: its state may have expired.
        let Some(producer) = self.entries.get(&batch.producer_id) else {
            return Verdict::Append;
        };
        if let Some(duplicate) = producer.find(batch) {
            return Verdict::Duplicate(duplicate);
        }
        if batch.epoch < producer.epoch {
            return Verdict::StaleEpoch {
                current: producer.epoch,
            };
        }
        let expected = if batch.epoch > producer.epoch {
            0
        } else {
            producer.next_sequence()
        };
        if batch.first_sequence == expected {
            Verdict::Append
        } else {
            Verdict::OutOfOrder { expected }
        }
    }

    /// Records that a batch was appended.
    pub(crate) fn appended(&mut self, batch: Sequenced, base_offset: i64, timestamp: i64) {
        if !self.entries.contains_key(&batch.producer_id) {
            self.make_room();
        }
        let producer = self
            .entries
            .entry(batch.producer_id)
            .or_insert_with(|| Producer {
                epoch: batch.epoch,
                batches: VecDeque::new(),
            });
        if producer.epoch != batch.epoch {
            producer.epoch = batch.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == PRODUCER_BATCHES_KEPT {
            producer.batches.pop_front();
        }
        producer.batches.push_back(AppendedBatch {
            first_sequence: batch.first_sequence,
            last_sequence: batch.last_sequence,
            base_offset,
            timestamp,
        });
    }

    /// Forgets producers that were silent since before `oldest_ms` (wall clock).
    pub(crate) fn expire(&mut self, oldest_ms: i64) {
        self.entries
            .retain(|_, producer| producer.last_timestamp() >= oldest_ms);
    }

    /// For snapshots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.entries.iter().map(|(id, producer)| (*id, producer))
    }

    /// From a snapshot.
    pub(crate) fn restore(&mut self, producer_id: i64, producer: Producer) {
        if !producer.batches.is_empty() {
            self.entries.insert(producer_id, producer);
        }
    }

    fn make_room(&mut self) {
        if self.entries.len() < PRODUCERS_PER_PARTITION_MAX {
            return;
        }
        let silent_longest = self
            .entries
            .iter()
            .min_by_key(|(_, entry)| entry.last_timestamp());
        if let Some(producer_id) = silent_longest.map(|(id, _)| *id) {
            self.entries.remove(&producer_id);
        }
    }
}

impl Producer {
    fn find(&self, batch: Sequenced) -> Option<AppendedBatch> {
        if batch.epoch != self.epoch {
            return None;
        }
        self.batches.iter().copied().find(|known| {
            known.first_sequence == batch.first_sequence
                && known.last_sequence == batch.last_sequence
        })
    }

    fn next_sequence(&self) -> i32 {
        self.batches
            .back()
            .map_or(0, |batch| advance(batch.last_sequence, 1))
    }

    fn last_timestamp(&self) -> i64 {
        self.batches
            .back()
            .map_or(i64::MIN, |batch| batch.timestamp)
    }
}

/// Sequences count from 0 to 2³¹−1 and start over.
fn advance(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

#[cfg(test)]
mod tests;
