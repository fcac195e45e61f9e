//! The partitions of one consumer: positions, and what was fetched ahead.
//!
//! Owns the queues of fetched batches and the order in which they are handed
//! out; must not know sockets, tasks or groups. The decisions about one
//! partition are its `Position`'s.

mod deliver;
mod hand_out;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use milena_wire::batch::RawBatch;
use tokio::time::Instant;

use super::config::OffsetReset;
use super::position::{Incarnation, Position, Question};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
pub(crate) use deliver::{FetchedPartition, FetchedResult};
pub(crate) use hand_out::{OpenEnd, TakenBatch};

/// Errors that wait for `poll`; a newer one is dropped when there are more.
const ERRORS_WAITING_MAX: usize = 1024;

/// What of the configuration the table depends on.
#[derive(Debug, Clone)]
pub(crate) struct TableConfig {
    pub(crate) policy: OffsetReset,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
}

/// A batch that waits to be handed out.
#[derive(Debug, Clone)]
pub(crate) struct QueuedBatch {
    pub(crate) raw: RawBatch,
    /// Records below are not wanted: the fetch began in the middle of a batch.
    pub(crate) from: i64,
}

#[derive(Debug)]
struct Entry {
    position: Position,
    queue: VecDeque<QueuedBatch>,
    queued_bytes: usize,
    /// Listed in `ready`.
    is_listed: bool,
    /// A batch is being read record by record.
    is_open: bool,
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

    pub(crate) fn push_error(&mut self, error: Error) {
        if self.errors.len() < ERRORS_WAITING_MAX {
            self.errors.push_back(error);
        }
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
    ) -> BTreeMap<TopicPartition, (i64, i32, Incarnation)> {
        let wanted = self.entries.iter().filter_map(|(partition, entry)| {
            let position = &entry.position;
            let fetch = (
                position.fetch_offset(),
                position.leader_epoch(),
                position.incarnation(),
            );
            position
                .wants_fetch_from(node, now)
                .then(|| (partition.clone(), fetch))
        });
        wanted.collect()
    }

    /// How many brokers lead any of them.
    pub(crate) fn leaders_count(&self) -> usize {
        let leaders = self
            .entries
            .values()
            .filter_map(|entry| entry.position.leader());
        leaders.collect::<BTreeSet<NodeId>>().len()
    }

    /// When the first pause after an error ends.
    pub(crate) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let pauses = self
            .entries
            .values()
            .filter_map(|entry| entry.position.wake_at());
        pauses.filter(|at| *at > now).min()
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

#[cfg(test)]
mod tests;
