//! What a consumer's handle and its tasks share.
//!
//! Owns the locks, the wake-ups and the bookkeeping of polls; must not know
//! requests. Lock order: `reader`, then `partitions`; no lock is held across
//! an await, save `commit_turn`, which guards no data.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Polled;
use super::config::ConsumerConfig;
use super::fetched::FetchedBatch;
use super::membership::Memberships;
use super::partitions::{Partitions, TableConfig};
use super::position::Position;
use super::reader::Reader;
use crate::client::{Client, Lane};
use crate::error::Error;
use crate::group::OffsetToCommit;
use crate::topology::TopicPartition;

/// The state of one consumer.
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) config: ConsumerConfig,
    /// Fetches wait on the broker; nothing else may wait behind them.
    pub(crate) lane: Lane,
    pub(crate) memberships: Memberships,
    partitions: Mutex<Partitions>,
    reader: Mutex<Reader>,
    /// Counts what may take an open batch away from its reader.
    pub(crate) changes: Arc<AtomicU64>,
    /// Wakes those who wait for records.
    pub(crate) ready: Arc<Notify>,
    /// Wakes the tasks that fetch and look up.
    pub(crate) work: Notify,
    /// Somebody waits until less waits to be handed out.
    wants_room: AtomicBool,
    pub(crate) room: Notify,
    /// One commit at a time.
    pub(crate) commit_turn: tokio::sync::Mutex<()>,
    /// Set by each poll, taken by who watches over the poll interval.
    polled: AtomicBool,
    /// Polls that wait for records right now.
    polls_waiting: AtomicUsize,
    /// Tells the group's task that a stalled application polls again.
    pub(crate) polled_again: Notify,
    is_stalled: AtomicBool,
    is_closed: AtomicBool,
    /// The error that ended this consumer, if one did.
    fatal: Mutex<Option<Error>>,
}

/// Which offsets a commit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitScope {
    /// All that was handed out.
    HandedOut,
    /// What was handed out before the current poll.
    Processed,
}

impl Shared {
    pub(crate) fn new(client: Client, config: ConsumerConfig) -> Self {
        let table_config = TableConfig {
            policy: config.auto_offset_reset,
            isolation_level: config.isolation_level,
            tells_ends: config.enable_partition_end,
            retry_backoff: client.config().retry_backoff,
            retry_backoff_max: client.config().retry_backoff_max,
            replica_max_age: client.config().metadata_max_age,
        };
        let changes = Arc::new(AtomicU64::new(0));
        Self {
            lane: client.lane(),
            client,
            memberships: Memberships::default(),
            partitions: Mutex::new(Partitions::new(table_config, Arc::clone(&changes))),
            reader: Mutex::new(Reader::default()),
            changes,
            ready: Arc::new(Notify::new()),
            work: Notify::new(),
            wants_room: AtomicBool::new(false),
            room: Notify::new(),
            commit_turn: tokio::sync::Mutex::new(()),
            polled: AtomicBool::new(false),
            polls_waiting: AtomicUsize::new(0),
            polled_again: Notify::new(),
            is_stalled: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            fatal: Mutex::new(None),
            config,
        }
    }

    pub(crate) fn partitions(&self) -> MutexGuard<'_, Partitions> {
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the table how far the reader is.
    pub(crate) fn sync_reader(&self) {
        drop(self.synced_reader());
    }

    /// The same; the reader stands still as long as this is held.
    pub(super) fn synced_reader(&self) -> MutexGuard<'_, Reader> {
        let mut reader = self.reader();
        reader.sync(self);
        reader
    }

    /// What there is for the application, if anything; an error if one waits.
    pub(super) fn try_poll(&self) -> Result<Polled, Error> {
        self.note_poll();
        self.check_usable()?;
        let member = self.memberships.current();
        let (taken, mut ends) = {
            let mut partitions = self.partitions();
            partitions.mark_touched_processed();
            if let Some(error) = partitions.pop_error() {
                return Err(error);
            }
            let taken = partitions.take(self.config.poll_records_max);
            self.wake_fetchers(&partitions);
            (taken, partitions.take_ends())
        };
        if !taken.is_empty() {
            self.memberships.set_polled_as(member);
        }
        let mut batches = Vec::with_capacity(taken.len());
        let mut unreadable: Vec<TopicPartition> = Vec::new();
        for one in taken {
            if unreadable.contains(&one.partition) {
                continue;
            }
            let (partition, incarnation, from) =
                (one.partition.clone(), one.incarnation, one.queued.from);
            match FetchedBatch::open(one) {
                Ok(batch) => batches.push(batch),
                Err(error) => {
                    let mut partitions = self.partitions();
                    partitions.on_unreadable(&partition, incarnation, from, Instant::now());
                    partitions.push_error(error);
                    unreadable.push(partition);
                }
            }
        }
        ends.retain(|end| !unreadable.contains(&end.partition));
        if batches.is_empty()
            && ends.is_empty()
            && !unreadable.is_empty()
            && let Some(error) = self.partitions().pop_error()
        {
            return Err(error);
        }
        Ok(Polled { batches, ends })
    }

    /// Whether fetching may go on: less waits than half of what is allowed. The
    /// other half is for the responses on their way. If not, `room` tells when.
    pub(super) fn has_room(&self, partitions: &Partitions) -> bool {
        let has_room = partitions.queued_bytes() <= self.config.prefetch_bytes_max / 2;
        if !has_room {
            self.wants_room.store(true, Ordering::Release);
        }
        has_room
    }

    /// Fetchers that wait for room get it as soon as there is some.
    pub(super) fn wake_fetchers(&self, partitions: &Partitions) {
        if self.wants_room.load(Ordering::Acquire)
            && partitions.queued_bytes() <= self.config.prefetch_bytes_max / 2
        {
            self.wants_room.store(false, Ordering::Release);
            self.room.notify_waiters();
        }
    }

    /// The application polls. No clock is read: whoever watches looks often
    /// enough.
    pub(super) fn note_poll(&self) {
        if !self.polled.load(Ordering::Relaxed) {
            self.polled.store(true, Ordering::Relaxed);
            if self.is_stalled.swap(false, Ordering::AcqRel) {
                self.polled_again.notify_one();
            }
        }
    }

    /// Whether the application polled since this was last asked, or waits in a
    /// poll.
    pub(crate) fn take_polled(&self) -> bool {
        self.polled.swap(false, Ordering::Relaxed) || self.polls_waiting.load(Ordering::Acquire) > 0
    }

    /// The group has given up on the application; its next poll is noticed.
    pub(crate) fn set_stalled(&self) {
        self.is_stalled.store(true, Ordering::Release);
        self.polled.store(false, Ordering::Release);
    }

    pub(super) fn wait_in_poll(self: &Arc<Self>) -> PollWaiting {
        self.polls_waiting.fetch_add(1, Ordering::AcqRel);
        PollWaiting {
            shared: Arc::clone(self),
        }
    }

    /// Surfaces an error through `poll`.
    pub(crate) fn report(&self, error: Error) {
        self.partitions().push_error(error);
        self.ready.notify_waiters();
    }

    /// Surfaces an error through every `poll` from now on.
    pub(crate) fn fail(&self, error: Error) {
        *self.fatal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.ready.notify_waiters();
    }

    pub(crate) fn fatal(&self) -> Option<Error> {
        self.fatal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.partitions().clear();
        self.ready.notify_waiters();
        self.work.notify_waiters();
        self.room.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Fails when nothing can come any more.
    pub(super) fn check_usable(&self) -> Result<(), Error> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        self.fatal().map_or(Ok(()), Err)
    }

    pub(crate) fn owns(&self, partition: &TopicPartition) -> bool {
        self.partitions().contains(partition)
    }

    /// What there is to commit, of `only` these partitions or of all.
    pub(crate) fn offsets_to_commit(
        &self,
        scope: CommitScope,
        only: Option<&[TopicPartition]>,
    ) -> Vec<OffsetToCommit> {
        self.sync_reader();
        let partitions = self.partitions();
        let offsets = partitions.positions().filter_map(|(partition, position)| {
            if only.is_some_and(|only| !only.contains(partition)) {
                return None;
            }
            let offset = match scope {
                CommitScope::HandedOut => position.offset_to_commit(),
                CommitScope::Processed => position.processed_to_commit(),
            };
            Some(OffsetToCommit {
                partition: partition.clone(),
                offset: offset?,
                leader_epoch: position.last_epoch(),
            })
        });
        offsets.collect()
    }

    /// The application's own offsets, with the epochs that go with them.
    pub(crate) fn with_epochs(&self, offsets: &[(TopicPartition, i64)]) -> Vec<OffsetToCommit> {
        let partitions = self.partitions();
        let with_epoch = offsets.iter().map(|(partition, offset)| OffsetToCommit {
            partition: partition.clone(),
            offset: *offset,
            leader_epoch: partitions
                .position(partition)
                .map_or(-1, Position::last_epoch),
        });
        with_epoch.collect()
    }

    /// The coordinator has stored these.
    pub(crate) fn on_commit_stored(&self, stored: &[OffsetToCommit]) {
        let mut partitions = self.partitions();
        for entry in stored {
            partitions.on_commit_stored(&entry.partition, entry.offset);
        }
    }
}

/// Counts one poll as waiting until dropped.
pub(super) struct PollWaiting {
    shared: Arc<Shared>,
}

impl Drop for PollWaiting {
    fn drop(&mut self) {
        self.shared.polls_waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
