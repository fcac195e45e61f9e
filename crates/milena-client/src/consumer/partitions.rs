//! The partitions of one consumer: positions, and what was fetched ahead.
//!
//! Owns the queues of fetched batches and the order in which they are handed
//! out; must not know sockets, tasks or groups. The decisions about one
//! partition are its `Position`'s.

mod deliver;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use milena_wire::batch::RawBatch;
use tokio::time::Instant;

use super::config::{IsolationLevel, OffsetReset};
use super::metrics::PartitionMetrics;
use super::position::{FetchFrom, Incarnation, Position, Question};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};

pub(crate) use deliver::{Delivered, FetchedPartition, FetchedResult};

/// Errors that wait for `poll`; a newer one is dropped when there are more.
const ERRORS_WAITING_MAX: usize = 1024;

/// What of the configuration the table depends on.
#[derive(Debug, Clone)]
pub(crate) struct TableConfig {
    pub(crate) policy: OffsetReset,
    pub(crate) isolation_level: IsolationLevel,
    /// Whether the ends of partitions are told.
    pub(crate) tells_ends: bool,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
    /// For how long the replica that a leader recommends is read.
    pub(crate) replica_max_age: Duration,
}

/// A batch that waits to be handed out.
#[derive(Debug, Clone)]
pub(crate) struct QueuedBatch {
    pub(crate) raw: RawBatch,
    /// Records below are not wanted: the fetch began in the middle of a batch.
    pub(crate) from: i64,
}

/// A batch on its way to the application.
#[derive(Debug)]
pub(crate) struct TakenBatch {
    pub(crate) partition: TopicPartition,
    pub(crate) incarnation: Incarnation,
    pub(crate) queued: QueuedBatch,
}

#[derive(Debug)]
struct Entry {
    position: Position,
    metrics: PartitionMetrics,
    queue: VecDeque<QueuedBatch>,
    queued_bytes: usize,
    /// Listed in `ready`.
    is_listed: bool,
    /// A batch is being read record by record.
    is_open: bool,
}

/// All before this offset of a partition was handed out, and there was nothing behind it when the
/// broker was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionEnd {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset that its next record will have.
    pub offset: i64,
}

/// All partitions of one consumer.
#[derive(Debug)]
pub(crate) struct Partitions {
    config: TableConfig,
    entries: HashMap<TopicPartition, Entry>,
    /// Partitions that have something queued, in the order of their turns.
    ready: VecDeque<TopicPartition>,
    queued_bytes: usize,
    /// Partitions handed out from since everything was last marked processed.
    touched: Vec<TopicPartition>,
    errors: VecDeque<Error>,
    /// Ends that the application is to be told of.
    ends: BTreeMap<TopicPartition, i64>,
    /// Counts what may take an open batch away from its reader.
    changes: Arc<AtomicU64>,
}

impl Partitions {
    pub(crate) fn new(config: TableConfig, changes: Arc<AtomicU64>) -> Self {
        Self {
            config,
            entries: HashMap::new(),
            ready: VecDeque::new(),
            queued_bytes: 0,
            touched: Vec::new(),
            errors: VecDeque::new(),
            ends: BTreeMap::new(),
            changes,
        }
    }

    /// Adds partitions whose positions are to be found through `question`.
    pub(crate) fn add(&mut self, partitions: &[TopicPartition], question: Question, is_held: bool) {
        for partition in partitions {
            let config = &self.config;
            let mut position =
                Position::unknown(question, config.retry_backoff, config.retry_backoff_max);
            position.set_held(is_held);
            let entry = Entry {
                metrics: PartitionMetrics::new(partition),
                position,
                queue: VecDeque::new(),
                queued_bytes: 0,
                is_listed: false,
                is_open: false,
            };
            self.remove(std::slice::from_ref(partition));
            self.entries.insert(partition.clone(), entry);
        }
    }

    /// Drops partitions with their positions and all that was fetched ahead.
    pub(crate) fn remove(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.drop_queue(partition);
            self.entries.remove(partition);
        }
        self.note_change();
    }

    pub(crate) fn clear(&mut self) {
        let all: Vec<TopicPartition> = self.entries.keys().cloned().collect();
        self.remove(&all);
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &TopicPartition> {
        self.entries.keys()
    }

    pub(crate) fn contains(&self, partition: &TopicPartition) -> bool {
        self.entries.contains_key(partition)
    }

    pub(crate) fn position(&self, partition: &TopicPartition) -> Option<&Position> {
        self.entries.get(partition).map(|entry| &entry.position)
    }

    /// Changes a position in a way that what was fetched ahead no longer fits.
    pub(crate) fn jump(
        &mut self,
        partition: &TopicPartition,
        change: impl FnOnce(&mut Position),
    ) -> bool {
        self.drop_queue(partition);
        self.update(partition, change)
    }

    /// Changes a position; its queue stays.
    pub(crate) fn update(
        &mut self,
        partition: &TopicPartition,
        change: impl FnOnce(&mut Position),
    ) -> bool {
        self.note_change();
        let Some(entry) = self.entries.get_mut(partition) else {
            return false;
        };
        change(&mut entry.position);
        if !entry.queue.is_empty() && entry.position.can_hand_out() && !entry.is_listed {
            entry.is_listed = true;
            self.ready.push_back(partition.clone());
        }
        true
    }

    /// The group's coordinator has stored `offset` for the partition.
    pub(crate) fn on_commit_stored(&mut self, partition: &TopicPartition, offset: i64) {
        if let Some(entry) = self.entries.get_mut(partition) {
            entry.position.on_commit_stored(offset);
        }
    }

    /// Every position, with its name.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (&TopicPartition, &Position)> {
        self.entries
            .iter()
            .map(|(name, entry)| (name, &entry.position))
    }

    /// Every position, to take in what does not touch what is queued.
    pub(crate) fn positions_mut(
        &mut self,
    ) -> impl Iterator<Item = (&TopicPartition, &mut Position)> {
        self.entries
            .iter_mut()
            .map(|(name, entry)| (name, &mut entry.position))
    }

    /// Bytes that wait to be handed out.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Frees what waits for partitions that are paused, so that the others can
    /// go on; it is fetched again after a resume.
    pub(crate) fn drop_paused(&mut self) {
        let is_paused = |(_, entry): &(&TopicPartition, &Entry)| {
            entry.position.is_paused() && !entry.queue.is_empty()
        };
        let paused: Vec<TopicPartition> = self
            .entries
            .iter()
            .filter(is_paused)
            .map(|(name, _)| name.clone())
            .collect();
        for partition in paused {
            self.jump(&partition, Position::refetch);
        }
    }

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
                let batch_records = usize::try_from(header.records_count).unwrap_or(0);
                records += batch_records;
                let bytes = queued.raw.bytes().len();
                entry.metrics.handed_out(batch_records, bytes);
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
            entry.note_lag(self.config.isolation_level);
            if entry.queue.is_empty() {
                entry.position.on_drained();
                self.note_end(&partition);
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
                let records = usize::try_from(queued.raw.header.records_count).unwrap_or(0);
                entry.metrics.handed_out(records, bytes);
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
            OpenEnd::Read { next_offset } | OpenEnd::HandedOut { next_offset } => {
                let epoch = entry.position.last_epoch();
                entry.position.hand_out(next_offset, epoch);
                if matches!(end, OpenEnd::Read { .. }) {
                    entry.position.mark_all_processed();
                } else {
                    self.touched.push(partition.clone());
                }
                entry.note_lag(self.config.isolation_level);
                if entry.queue.is_empty() {
                    entry.position.on_drained();
                    self.note_end(partition);
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

    /// Everything that does not count as processed is to be handed out again.
    pub(crate) fn rewind(&mut self) {
        let behind = |(name, position): (&TopicPartition, &Position)| {
            Some((name.clone(), position.first_unprocessed()?))
        };
        let behind: Vec<_> = self.positions().filter_map(behind).collect();
        for (partition, offset) in behind {
            self.jump(&partition, |position| position.seek(offset));
        }
    }

    /// Notes that a partition's end is reached, if it is and somebody wants to know.
    fn note_end(&mut self, partition: &TopicPartition) -> bool {
        if !self.config.tells_ends {
            return false;
        }
        let Some(entry) = self.entries.get_mut(partition) else {
            return false;
        };
        if entry.is_open || !entry.queue.is_empty() {
            return false;
        }
        let end = entry.position.take_end(self.config.isolation_level);
        self.ends
            .extend(end.map(|offset| (partition.clone(), offset)));
        end.is_some()
    }

    /// The ends reached since this was last asked, of partitions that still are assigned.
    pub(crate) fn take_ends(&mut self) -> Vec<PartitionEnd> {
        let ends = std::mem::take(&mut self.ends).into_iter();
        ends.filter(|(partition, _)| self.entries.contains_key(partition))
            .map(|(partition, offset)| PartitionEnd { partition, offset })
            .collect()
    }

    pub(crate) fn push_error(&mut self, error: Error) {
        if self.errors.len() < ERRORS_WAITING_MAX {
            self.errors.push_back(error);
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    pub(crate) fn pop_error(&mut self) -> Option<Error> {
        self.errors.pop_front()
    }

    /// The questions to ask now, by kind; they count as asked.
    pub(crate) fn take_questions(
        &mut self,
        now: Instant,
    ) -> Vec<(TopicPartition, Question, Incarnation)> {
        let questions = self.entries.iter_mut().filter_map(|(partition, entry)| {
            let (question, incarnation) = entry.position.take_question(now)?;
            Some((partition.clone(), question, incarnation))
        });
        questions.collect()
    }

    /// What to fetch from `node` now.
    pub(crate) fn wanted_from(
        &self,
        node: NodeId,
        now: Instant,
    ) -> BTreeMap<TopicPartition, FetchFrom> {
        let wanted = self.entries.iter().filter_map(|(partition, entry)| {
            let position = &entry.position;
            position
                .wants_fetch_from(node, now)
                .then(|| (partition.clone(), position.fetch_from(now)))
        });
        wanted.collect()
    }

    /// How many brokers any of them are read from.
    pub(crate) fn brokers_count(&self, now: Instant) -> usize {
        let brokers = self
            .entries
            .values()
            .filter_map(|entry| entry.position.read_replica(now));
        brokers.collect::<BTreeSet<NodeId>>().len()
    }

    /// When the first pause after an error ends, or another replica is to be read.
    pub(crate) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let times = self.entries.values().flat_map(|entry| {
            let position = &entry.position;
            [position.wake_at(), position.replica_ends_at()]
        });
        times.flatten().filter(|at| *at > now).min()
    }

    fn drop_queue(&mut self, partition: &TopicPartition) {
        if let Some(entry) = self.entries.get_mut(partition) {
            self.queued_bytes -= entry.queued_bytes;
            entry.queued_bytes = 0;
            entry.queue.clear();
            entry.is_open = false;
        }
    }

    fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }
}

impl Entry {
    fn note_lag(&self, level: IsolationLevel) {
        if let Some(lag) = self.position.lag(level) {
            self.metrics.lag(lag);
        }
    }
}

/// How the reading of an open batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenEnd {
    /// To its end, and done with.
    Read {
        next_offset: i64,
    },
    /// To its end, and not done with until the application is back for more.
    HandedOut {
        next_offset: i64,
    },
    GivenBack,
}

#[cfg(test)]
mod tests;
