//! What a partition knows of its idempotent producers (KIP-98).
//!
//! A plain state machine: a batch's producer id, epoch and sequences in, a verdict
//! out. Reads no clock and no log. The last five batches of each producer are
//! remembered, so that a retry is recognised and answered with the offset it got.

use std::collections::{HashMap, VecDeque};

use super::transactions::PartitionTransactions;
use crate::limits::{PRODUCER_BATCHES_KEPT, PRODUCERS_PER_PARTITION_MAX};

/// The producer fields of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequenced {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) is_transactional: bool,
}

impl Sequenced {
    /// Reads them from a batch header; `None` without a producer id, and for markers.
    pub(crate) fn of(header: &milena_wire::batch::BatchHeader) -> Option<Sequenced> {
        let is_sequenced = header.producer_id >= 0 && !header.attributes.is_control();
        is_sequenced.then(|| Sequenced {
            is_transactional: header.attributes.is_transactional(),
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

/// The end of a producer's transaction, as it was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AppendedMarker {
    pub(crate) producer_id: i64,
    /// That of the transaction or, since KIP-890, the next one.
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) is_abort: bool,
    pub(crate) offset: i64,
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
    pub(crate) transactions: PartitionTransactions,
}

/// One producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    /// Of this epoch, oldest first, at most [`PRODUCER_BATCHES_KEPT`]; none when a
    /// marker began the epoch.
    pub(crate) batches: VecDeque<AppendedBatch>,
    /// When it last had a batch or a marker appended.
    pub(crate) last_timestamp: i64,
    /// Of the coordinator that wrote the last marker; −1 without one.
    pub(crate) coordinator_epoch: i32,
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
        if batch.is_transactional {
            self.transactions.on_batch(batch.producer_id, base_offset);
        }
        let producer = self.entry(batch.producer_id, batch.epoch);
        producer.last_timestamp = timestamp;
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

    /// The epoch that a marker of this producer must not be older than.
    pub(crate) fn epoch_of(&self, producer_id: i64) -> Option<i16> {
        self.entries
            .get(&producer_id)
            .map(|producer| producer.epoch)
    }

    /// Records that a marker was appended: its epoch is the current one from now on,
    /// so that a late batch of an older one is refused.
    pub(crate) fn marked(&mut self, marker: AppendedMarker) {
        let producer = self.entry(marker.producer_id, marker.epoch);
        producer.last_timestamp = marker.timestamp;
        producer.coordinator_epoch = marker.coordinator_epoch;
        self.transactions
            .on_marker(marker.producer_id, marker.offset, marker.is_abort);
    }

    /// Forgets producers that were silent since before `oldest_ms` (wall clock) and
    /// have no open transaction.
    pub(crate) fn expire(&mut self, oldest_ms: i64) {
        let transactions = &self.transactions;
        self.entries.retain(|id, producer| {
            producer.last_timestamp >= oldest_ms || transactions.is_open(*id)
        });
    }

    /// For snapshots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.entries.iter().map(|(id, producer)| (*id, producer))
    }

    /// From a snapshot.
    pub(crate) fn restore(&mut self, producer_id: i64, producer: Producer) {
        self.entries.insert(producer_id, producer);
    }

    /// The producer, in this epoch from now on.
    fn entry(&mut self, producer_id: i64, epoch: i16) -> &mut Producer {
        if !self.entries.contains_key(&producer_id) {
            self.make_room();
        }
        let producer = self.entries.entry(producer_id).or_insert_with(|| Producer {
            epoch,
            batches: VecDeque::new(),
            last_timestamp: i64::MIN,
            coordinator_epoch: -1,
        });
        if producer.epoch != epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
        producer
    }

    fn make_room(&mut self) {
        if self.entries.len() < PRODUCERS_PER_PARTITION_MAX {
            return;
        }
        let idle = self
            .entries
            .iter()
            .filter(|(id, _)| !self.transactions.is_open(**id));
        let silent_longest = idle.min_by_key(|(_, entry)| entry.last_timestamp);
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
}

/// Sequences count from 0 to 2³¹−1 and start over.
fn advance(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

#[cfg(test)]
mod tests;
