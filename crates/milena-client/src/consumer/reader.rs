//! Reading batches record by record, for `consume_next` and the stream.
//!
//! Owns the one batch that is being read and how far; the position follows
//! when somebody needs it, not with each record. Must not know how batches get
//! into the queues.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use milena_wire::batch::RecordCursor;
use tokio::time::Instant;

use super::fetched::{ConsumedRecord, FetchedBatch};
use super::partitions::OpenEnd;
use super::position::Incarnation;
use super::shared::Shared;
use super::spans;
use crate::error::Error;

/// The batch that is being read, if any.
#[derive(Debug, Default)]
pub(super) struct Reader {
    open: Option<OpenBatch>,
    /// Whole batches were handed out that may not be done with.
    has_touched: bool,
}

/// What asking for a record tells of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// They are done with: the application is back for more.
    Anew,
    /// Nothing: the application gets it together with them.
    Along,
}

#[derive(Debug)]
struct OpenBatch {
    batch: Arc<FetchedBatch>,
    cursor: RecordCursor,
    incarnation: Incarnation,
    /// After the last record handed out.
    next_offset: i64,
    /// After the last record that is done with.
    processed: i64,
    /// The state of the partitions this was last checked against.
    changes_seen: u64,
}

impl Reader {
    /// The next record, if one is there. Whoever asks for it is done with the last.
    pub(super) fn next(&mut self, shared: &Shared) -> Option<Result<ConsumedRecord, Error>> {
        if std::mem::take(&mut self.has_touched) {
            shared.partitions().mark_touched_processed();
        }
        self.read(shared, Asked::Anew)
    }

    /// The next record, if one is there, for an application that did not get the last one
    /// yet. An error waits for the next who asks anew.
    pub(super) fn next_along(&mut self, shared: &Shared) -> Option<ConsumedRecord> {
        match self.read(shared, Asked::Along)? {
            Ok(record) => Some(record),
            Err(error) => {
                shared.partitions().push_error(error);
                None
            }
        }
    }

    fn read(&mut self, shared: &Shared, asked: Asked) -> Option<Result<ConsumedRecord, Error>> {
        loop {
            if let Some(open) = &mut self.open {
                if asked == Asked::Anew {
                    open.processed = open.next_offset;
                }
                let changes = shared.changes.load(Ordering::Acquire);
                if open.changes_seen != changes {
                    open.changes_seen = changes;
                    if !open.sync(shared) {
                        self.give_back(shared);
                        continue;
                    }
                }
                match FetchedBatch::next_owned(&open.batch, &mut open.cursor) {
                    Some(Ok(record)) => {
                        open.next_offset = record.offset() + 1;
                        return Some(Ok(record));
                    }
                    Some(Err(error)) => {
                        self.skip_rest(shared, asked);
                        return Some(Err(error));
                    }
                    None => self.skip_rest(shared, asked),
                }
            }
            match self.open_next(shared, asked) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Tells the table how far the open batch is read.
    pub(super) fn sync(&mut self, shared: &Shared) {
        if let Some(open) = &self.open {
            open.sync(shared);
        }
    }

    /// Everything handed out is done with.
    pub(super) fn mark_processed(&mut self) {
        if let Some(open) = &mut self.open {
            open.processed = open.next_offset;
        }
    }

    /// Opens the next batch; `false` when none is queued.
    fn open_next(&mut self, shared: &Shared, asked: Asked) -> Result<bool, Error> {
        shared.check_usable()?;
        let changes_seen = shared.changes.load(Ordering::Acquire);
        let member = shared.memberships.current();
        let taken = {
            let mut partitions = shared.partitions();
            match asked {
                Asked::Anew => {
                    partitions.mark_touched_processed();
                    if let Some(error) = partitions.pop_error() {
                        return Err(error);
                    }
                }
                Asked::Along if partitions.has_errors() => return Ok(false),
                Asked::Along => {}
            }
            let taken = partitions.open_next();
            shared.wake_fetchers(&partitions);
            taken
        };
        let Some(taken) = taken else {
            return Ok(false);
        };
        shared.memberships.set_polled_as(member);
        let (partition, incarnation, from) = (
            taken.partition.clone(),
            taken.incarnation,
            taken.queued.from,
        );
        match FetchedBatch::open(taken) {
            Ok(batch) => {
                let span = spans::poll(shared);
                spans::brought(&span, std::slice::from_ref(&batch));
                self.open = Some(OpenBatch {
                    cursor: batch.cursor(),
                    next_offset: batch.first_offset(),
                    // What came with it is not done with: it says nothing yet.
                    processed: match asked {
                        Asked::Anew => batch.first_offset(),
                        Asked::Along => 0,
                    },
                    batch: Arc::new(batch),
                    incarnation,
                    changes_seen,
                });
                Ok(true)
            }
            Err(error) => {
                let mut partitions = shared.partitions();
                partitions.on_unreadable(&partition, incarnation, from, Instant::now());
                Err(error)
            }
        }
    }

    /// The batch is at its end, or cannot be read to its end.
    fn skip_rest(&mut self, shared: &Shared, asked: Asked) {
        if let Some(open) = self.open.take() {
            open.sync(shared);
            let next_offset = open.batch.next_offset();
            let end = match asked {
                Asked::Anew => OpenEnd::Read { next_offset },
                Asked::Along => OpenEnd::HandedOut { next_offset },
            };
            self.has_touched |= asked == Asked::Along;
            let partition = open.batch.topic_partition();
            shared
                .partitions()
                .close_open(partition, open.incarnation, end);
        }
    }

    /// The partition is paused, revoked, or elsewhere now.
    fn give_back(&mut self, shared: &Shared) {
        if let Some(open) = self.open.take() {
            let partition = open.batch.topic_partition();
            shared
                .partitions()
                .close_open(partition, open.incarnation, OpenEnd::GivenBack);
        }
    }
}

impl OpenBatch {
    /// Moves the position up to here; whether the batch may be read on.
    fn sync(&self, shared: &Shared) -> bool {
        shared.partitions().advance_open(
            self.batch.topic_partition(),
            self.incarnation,
            self.next_offset,
            self.processed,
            self.batch.leader_epoch(),
        )
    }
}
