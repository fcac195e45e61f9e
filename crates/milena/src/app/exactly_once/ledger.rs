//! What a partition's records came to since the last transaction, and committing it.
//!
//! Owns what is done when a transaction fails: written again, asked about, a dead letter in
//! place of what cannot be written, or the end of the worker. Calls no handler.

use std::sync::Arc;
use std::time::Duration;

use milena_client::TopicPartition;
use milena_client::transaction::TransactionError;
use tokio::time::Instant;

use super::limits::{AGAIN_DELAY, FENCED_HEARTBEATS, INTERVAL, RECORDS_MAX};
use super::transactor::{Done, Transactor, Trouble};
use crate::app::error::AppError;
use crate::app::failed::{Ended, Failed, sleep_unless_stopped};
use crate::app::route::{RouteContext, Seat};
use crate::app::seat_offsets::SeatOffsets;
use crate::app::stop::StopFlag;
use crate::extract::Content;
use crate::failure::{FailureStage, HandlerError};
use crate::message::Message;
use crate::publisher::PublishError;

pub(super) struct Ledger {
    transactional_id: String,
    partition: i32,
    heartbeat_interval: Duration,
    transactor: Transactor,
    context: Arc<RouteContext>,
    stop: Arc<StopFlag>,
    offsets: Arc<SeatOffsets>,
    done: Vec<Done>,
    counts: Counts,
    /// Everything below is done.
    next_offset: i64,
    /// By when that is to be committed; `None` when it is.
    deadline: Option<Instant>,
}

/// What becomes of the records in the next transaction.
#[derive(Debug, Default)]
struct Counts {
    handled: u64,
    dead_lettered: u64,
}

/// Whether a worker goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Onward {
    Yes,
    No,
}

impl Ledger {
    /// Everything below `committed` is committed.
    pub(super) fn new(
        transactional_id: String,
        heartbeat_interval: Duration,
        transactor: Transactor,
        committed: Option<i64>,
        context: &Arc<RouteContext>,
        seat: &Seat,
    ) -> Ledger {
        if let Some(next_offset) = committed {
            seat.offsets.set_both(next_offset);
        }
        Ledger {
            transactional_id,
            partition: seat.partition,
            heartbeat_interval,
            transactor,
            context: context.clone(),
            stop: seat.stop.clone(),
            offsets: seat.offsets.clone(),
            done: Vec::new(),
            counts: Counts::default(),
            next_offset: committed.unwrap_or(0),
            deadline: None,
        }
    }

    /// By when there is something to commit.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn is_full(&self) -> bool {
        self.done.len() >= RECORDS_MAX
    }

    /// Adds a record that is done, and what it came to.
    pub(super) fn add(&mut self, message: Message, content: Vec<Content>, ended: Ended) {
        match ended {
            Ended::DeadLettered => self.counts.dead_lettered += 1,
            _ => self.counts.handled += 1,
        }
        self.skip_to(message.offset() + 1);
        self.done.push(Done { message, content });
    }

    /// Below `next_offset` there is nothing but what was added, and what compaction has taken.
    /// That is committed in a transaction, too; a plain commit that comes late could take the
    /// group back behind one.
    pub(super) fn skip_to(&mut self, next_offset: i64) {
        if next_offset > self.next_offset {
            self.next_offset = next_offset;
            self.deadline
                .get_or_insert_with(|| Instant::now() + INTERVAL);
        }
    }

    /// Commits what is in it, however often that takes.
    pub(super) async fn commit(&mut self) -> Onward {
        // What is not committed by the end of this is given back, and not committed later.
        self.deadline = None;
        let next_offset = self.next_offset;
        loop {
            let began = Instant::now();
            let trouble = match self.transactor.commit(&self.done, next_offset).await {
                Ok(()) => return self.committed(began),
                Err(Trouble::Unknown(error)) => {
                    self.log(&error);
                    match self.resolve().await {
                        Ok(true) => return self.committed(began),
                        Ok(false) => continue,
                        Err(trouble) => trouble,
                    }
                }
                Err(trouble) => trouble,
            };
            self.context.progress.add_commit(began.elapsed(), false);
            match trouble {
                Trouble::Again(error) | Trouble::Unknown(error) => {
                    self.log(&error);
                    if !sleep_unless_stopped(AGAIN_DELAY, &self.stop).await {
                        return self.give_back();
                    }
                }
                Trouble::Refused(place, error) => {
                    if self.bury(place, error).await == Onward::No {
                        return self.give_back();
                    }
                }
                Trouble::Fatal(error) => {
                    self.log(&error);
                    // Another member may have the partition, and we are about to be told so.
                    let wait = self.heartbeat_interval * FENCED_HEARTBEATS;
                    if sleep_unless_stopped(wait, &self.stop).await {
                        self.context.fail(AppError::Transaction {
                            transactional_id: self.transactional_id.clone(),
                            source: Box::new(error),
                        });
                    }
                    return self.give_back();
                }
            }
        }
    }

    pub(super) async fn close(self) {
        self.transactor.close().await;
    }

    /// Asks how a transaction ended until that is known, or it is time to stop.
    async fn resolve(&mut self) -> Result<bool, Trouble> {
        loop {
            match self.transactor.resolve().await {
                Err(Trouble::Unknown(error)) if !self.stop.is_raised() => self.log(&error),
                resolved => return resolved,
            }
        }
    }

    fn committed(&mut self, began: Instant) -> Onward {
        let counts = std::mem::take(&mut self.counts);
        self.context.progress.add_commit(began.elapsed(), true);
        self.context.progress.add_handled(counts.handled);
        for _ in 0..counts.dead_lettered {
            self.context.progress.add_dead_lettered();
        }
        tracing::debug!(
            event = "transaction_committed",
            transactional_id = %self.transactional_id,
            records = self.done.len(),
            next_offset = self.next_offset,
        );
        self.done.clear();
        self.offsets.set_both(self.next_offset);
        self.context.hooks.tell(|hook| {
            let partition = TopicPartition::new(self.context.topic.clone(), self.partition);
            hook.committed(&[(partition, self.next_offset)]);
        });
        Onward::Yes
    }

    /// Somebody else will handle these records again.
    fn give_back(&mut self) -> Onward {
        self.done.clear();
        self.counts = Counts::default();
        Onward::No
    }

    /// What a record came to cannot be written: that is its failure.
    async fn bury(&mut self, place: usize, error: PublishError) -> Onward {
        let Some(done) = self.done.get_mut(place) else {
            return Onward::No;
        };
        let dead_letter = done
            .content
            .iter()
            .any(|content| matches!(content, Content::DeadLetter(..)));
        let error = HandlerError::non_retriable(error)
            .at_stage(FailureStage::Publish)
            .with_code("publish");
        let failed = Failed::new(done.message.clone(), error);
        if dead_letter {
            // Not even that can be written.
            failed.give_up(&self.context);
            return Onward::No;
        }
        let ended = failed.settle_for_good(&self.context, &self.stop).await;
        if ended != Ended::DeadLettered {
            return Onward::No;
        }
        if let Some(outbox) = done.message.outbox() {
            done.content = outbox.take();
        }
        self.counts.handled = self.counts.handled.saturating_sub(1);
        self.counts.dead_lettered += 1;
        Onward::Yes
    }

    fn log(&self, error: &TransactionError) {
        tracing::warn!(
            event = "transaction_failed",
            transactional_id = %self.transactional_id,
            records = self.done.len(),
            %error,
        );
    }
}
