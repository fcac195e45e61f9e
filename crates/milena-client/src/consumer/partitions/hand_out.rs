//! Handing out what was fetched, by batches or record by record.
//!
//! Owns whose turn it is and how positions follow what the application got.

use tokio::time::Instant;

use super::{Partitions, QueuedBatch};
use crate::consumer::position::{Incarnation, Position};
use crate::topology::TopicPartition;

/// A batch on its way to the application.
#[derive(Debug)]
pub(crate) struct TakenBatch {
    pub(crate) partition: TopicPartition,
    pub(crate) incarnation: Incarnation,
    pub(crate) queued: QueuedBatch,
}

/// How the reading of an open batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenEnd {
    Read { next_offset: i64 },
    GivenBack,
}

impl Partitions {
    /// Takes batches for the application, at least one if there is one, until
    /// they hold `records_max` records. The positions move past them.
    pub(crate) fn take(&mut self, records_max: usize) -> Vec<TakenBatch> {
        let mut taken = Vec::new();
        let mut records = 0;
        // Partitions that cannot be handed out leave the list; `update` lists
        // them again.
        while let Some(partition) = self.ready.pop_front() {
            let Some(entry) = self.entries.get_mut(&partition) else {
                continue;
            };
            entry.is_listed = false;
            if !entry.position.can_hand_out() || entry.is_open {
                continue;
            }
            let incarnation = entry.position.incarnation();
            while records < records_max {
                let Some(queued) = entry.queue.pop_front() else {
                    break;
                };
                let header = &queued.raw.header;
                records += usize::try_from(header.records_count).unwrap_or(0);
                let bytes = queued.raw.bytes().len();
                entry.queued_bytes -= bytes;
                self.queued_bytes -= bytes;
                entry
                    .position
                    .hand_out(header.next_offset(), header.partition_leader_epoch);
                let partition = partition.clone();
                taken.push(TakenBatch {
                    partition,
                    incarnation,
                    queued,
                });
            }
            if entry.queue.is_empty() {
                entry.position.on_drained();
            } else {
                entry.is_listed = true;
                self.ready.push_back(partition.clone());
            }
            self.touched.push(partition);
            if records >= records_max {
                break;
            }
        }
        taken
    }

    /// Takes one batch to be read record by record; its position moves with
    /// `advance_open` and `close_open`.
    pub(crate) fn open_next(&mut self) -> Option<TakenBatch> {
        while let Some(partition) = self.ready.pop_front() {
            let Some(entry) = self.entries.get_mut(&partition) else {
                continue;
            };
            entry.is_listed = false;
            if !entry.position.can_hand_out() || entry.is_open {
                continue;
            }
            if let Some(queued) = entry.queue.pop_front() {
                let bytes = queued.raw.bytes().len();
                entry.queued_bytes -= bytes;
                self.queued_bytes -= bytes;
                entry.is_open = true;
                return Some(TakenBatch {
                    incarnation: entry.position.incarnation(),
                    partition,
                    queued,
                });
            }
        }
        None
    }

    /// The reader has handed out records below `next_offset` of the open batch
    /// and knows that those below `processed` are done with. Returns whether
    /// the batch may be read on.
    pub(crate) fn advance_open(
        &mut self,
        partition: &TopicPartition,
        opened: Incarnation,
        next_offset: i64,
        processed: i64,
        leader_epoch: i32,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(partition) else {
            return false;
        };
        if entry.position.incarnation() != opened || !entry.is_open {
            return false;
        }
        entry.position.hand_out(next_offset, leader_epoch);
        entry.position.mark_processed(processed);
        entry.position.can_hand_out()
    }

    /// The open batch is read to its end, or given back unread from
    /// `next_offset` on.
    pub(crate) fn close_open(
        &mut self,
        partition: &TopicPartition,
        opened: Incarnation,
        end: OpenEnd,
    ) {
        let Some(entry) = self.entries.get_mut(partition) else {
            return;
        };
        if entry.position.incarnation() != opened || !entry.is_open {
            return;
        }
        entry.is_open = false;
        match end {
            OpenEnd::Read { next_offset } => {
                let epoch = entry.position.last_epoch();
                entry.position.hand_out(next_offset, epoch);
                entry.position.mark_all_processed();
                if entry.queue.is_empty() {
                    entry.position.on_drained();
                } else if !entry.is_listed {
                    entry.is_listed = true;
                    // The same partition goes on: its next batch is the next in
                    // order, and the others have their turn per response.
                    self.ready.push_back(partition.clone());
                }
            }
            OpenEnd::GivenBack => {
                self.jump(partition, Position::refetch);
            }
        }
    }

    /// A batch that was taken cannot be read: fetch it again, after a pause.
    pub(crate) fn on_unreadable(
        &mut self,
        partition: &TopicPartition,
        taken: Incarnation,
        from: i64,
        now: Instant,
    ) {
        let is_current = self
            .position(partition)
            .is_some_and(|position| position.incarnation() == taken);
        if is_current {
            self.jump(partition, |position| {
                position.refetch_from(from);
                position.pause_after_error(now);
            });
        }
    }

    /// Everything handed out so far is processed: the application is back for
    /// more.
    pub(crate) fn mark_touched_processed(&mut self) {
        while let Some(partition) = self.touched.pop() {
            if let Some(entry) = self.entries.get_mut(&partition) {
                entry.position.mark_all_processed();
            }
        }
    }
}
