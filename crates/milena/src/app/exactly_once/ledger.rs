//! What a partition's records came to since the last transaction, and committing it.
//!
//! Owns what is done when a transaction fails: written again, asked about, a dead letter in
//! place of what cannot be written, or the end of the worker. Calls no handler.

use std::sync::Arc;

use milena_client::TopicPartition;
use milena_client::transaction::{Reason, TransactionError};
use tokio::time::Instant;

use super::limits::{AGAIN, FENCED_HEARTBEATS, INTERVAL, RECORDS_MAX};
use super::transactor::{Care, Done, Transactor, Trouble};
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
    transactor: Transactor,
    context: Arc<RouteContext>,
    stop: Arc<StopFlag>,
    offsets: Arc<SeatOffsets>,
    done: Vec<Done>,
    /// Everything below is done.
    next_offset: i64,
    /// By when that is to be committed; `None` when it is.
    deadline: Option<Instant>,
}

/// What goes into one transaction.
#[derive(Debug, Clone, Copy)]
struct Share {
    records: usize,
    care: Care,
}

impl Share {
    /// Something of it cannot be written: half of it, to find out what.
    fn narrowed(self) -> Share {
        Share {
            records: self.records.div_ceil(2),
            care: Care::OutputsFirst,
        }
    }
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
            transactor,
            context: context.clone(),
            stop: seat.stop.clone(),
            offsets: seat.offsets.clone(),
            done: Vec::new(),
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
        self.skip_to(message.offset() + 1);
        self.done.push(Done {
            message,
            content,
            ended,
        });
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

    /// Commits what is in it, however often that takes: in one transaction, or in several when
    /// something of it cannot be written.
    pub(super) async fn commit(&mut self) -> Onward {
        // What is not committed by the end of this is given back, and not committed later.
        self.deadline = None;
        let mut failures = 0;
        let mut share = Share {
            records: self.done.len(),
            care: Care::None,
        };
        loop {
            let began = Instant::now();
            let result = self.commit_share(share).await;
            let progress = &self.context.progress;
            progress.add_commit(began.elapsed(), result.is_ok());
            let trouble = match result {
                Ok(()) => {
                    self.committed(share.records);
                    if self.done.is_empty() {
                        return Onward::Yes;
                    }
                    (share.records, failures) = (self.done.len(), 0);
                    continue;
                }
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Again(error) | Trouble::Unknown(error) => {
                    self.log(&error);
                    failures += 1;
                    let delay = AGAIN.delay_after(failures, fastrand::f64());
                    if !sleep_unless_stopped(delay.unwrap_or_default(), &self.stop).await {
                        return self.give_back();
                    }
                }
                Trouble::Suspect(error) => {
                    self.log(&error);
                    share = share.narrowed();
                }
                Trouble::Refused(place, error) => {
                    if self.bury(place, error).await == Onward::No {
                        return self.give_back();
                    }
                }
                Trouble::Fatal(error) => {
                    self.fenced(error).await;
                    return self.give_back();
                }
            }
        }
    }

    /// Commits the first of the records.
    async fn commit_share(&mut self, share: Share) -> Result<(), Trouble> {
        let next_offset = self.next_offset_after(share.records);
        let work = self.done.get(..share.records).unwrap_or(&self.done);
        let committing = self.transactor.commit(work, next_offset, share.care);
        match committing.await {
            Err(Trouble::Unknown(error)) => {
                self.log(&error);
                match self.resolve().await? {
                    true => Ok(()),
                    false => Err(Trouble::Again(error)),
                }
            }
            // There is nobody else whose it could be.
            Err(Trouble::Suspect(error)) if share.records == 1 && share.care != Care::None => {
                match error.reason() {
                    Reason::Record(refusal) => Err(Trouble::Refused(0, refusal.clone().into())),
                    _ => Err(Trouble::Again(error)),
                }
            }
            result => result,
        }
    }

    /// Where to go on after so many records.
    fn next_offset_after(&self, records: usize) -> i64 {
        let next = self.done.get(records);
        next.map_or(self.next_offset, |next| next.message.offset())
    }

    /// Another member may have the partition, and we are about to be told so. If not, somebody
    /// has taken our place.
    async fn fenced(&self, error: TransactionError) {
        self.log(&error);
        if self.transactor.hears(FENCED_HEARTBEATS, &self.stop).await {
            self.context.fail(AppError::Transaction {
                transactional_id: self.transactional_id.clone(),
                source: Box::new(error),
            });
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

    /// The first of the records are committed.
    fn committed(&mut self, records: usize) {
        let next_offset = self.next_offset_after(records);
        let mut handled = 0;
        for done in self.done.drain(..records.min(self.done.len())) {
            match done.ended {
                Ended::Handled => handled += 1,
                ended => self.context.progress.add_ended(ended),
            }
        }
        self.context.progress.add_handled(handled);
        tracing::debug!(
            event = "transaction_committed",
            transactional_id = %self.transactional_id,
            records,
            next_offset,
        );
        self.offsets.set_both(next_offset);
        self.context.hooks.tell(|hook| {
            let partition = TopicPartition::new(self.context.topic.clone(), self.partition);
            hook.committed(&[(partition, next_offset)]);
        });
    }

    /// Somebody else will handle these records again.
    fn give_back(&mut self) -> Onward {
        self.done.clear();
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
        if ended == Ended::GivenBack {
            return Onward::No;
        }
        if let Some(outbox) = done.message.outbox() {
            done.content = outbox.take();
        }
        done.ended = ended;
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
