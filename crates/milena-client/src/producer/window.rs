//! What is on its way for one partition: which batches are in flight, which wait to be sent again,
//! and under which producer id, epoch and sequence.
//!
//! A plain state machine: answers and times in, admissions out. It owns no socket and reads no
//! clock. Its rules, and why nothing is lost, doubled or reordered by them:
//!
//! - Up to a limit of batches are in flight, in sequence order, all to one broker. The limit spans
//!   from the oldest batch without an answer to the newest sent, answered ones between them
//!   included: a broker recognises a repeated batch among the last five it wrote, no further back.
//! - The first batch under a producer id or epoch goes alone: a broker that does not know the
//!   producer yet takes whatever sequence comes first, also that of a second batch whose
//!   predecessor failed.
//! - After a failure nothing is sent until every answer is in; then the failed batches go out
//!   again, first to last, byte for byte as before. New batches wait until they are through.
//! - `OUT_OF_ORDER_SEQUENCE_NUMBER` with nothing unresolved before it proves that the batch was
//!   not written: only then is it stamped anew, under the next epoch.
//! - Within a transaction nothing starts an epoch but the coordinator (pitfall 4): a gap stops
//!   the partition until the next transaction brings another epoch.
//! - A batch given up while the broker may still have it leaves a gap. The next new batch then
//!   starts a new epoch, which a late copy of the lost one can no longer enter (KIP-360).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use milena_wire::batch::BatchStamp;

use super::batch::SealedBatch;
use super::delivery::{BatchAcknowledgement, BatchOutcome};
use super::error::ProduceError;
use super::sequence::{ProducerIdentity, Sequence};
use crate::NodeId;
use crate::backoff::Backoff;

/// What a broker said of one batch.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Written, now or by an earlier attempt.
    Acknowledged(BatchAcknowledgement),
    /// Not known to be written; the same bytes may be sent again.
    Retriable,
    /// The sequence is not the one the broker expects next.
    OutOfOrder,
    /// Not written, and the same bytes never will be.
    Rejected(Rejection),
    /// Not written, as the batch is larger than the topic allows; its halves may not be.
    TooLarge(ProduceError),
}

/// What is in a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchSize {
    pub(super) records: u32,
    pub(super) bytes: usize,
}

/// Why a broker does not take a batch.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) error: ProduceError,
    /// The records that are to blame, where the broker names them (KIP-467), by their index.
    pub(super) records: Vec<(u32, ProduceError)>,
}

impl From<ProduceError> for Rejection {
    fn from(error: ProduceError) -> Self {
        Rejection {
            error,
            records: Vec::new(),
        }
    }
}

/// What the partition may send now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// A batch that failed before: take it with [`SendWindow::resend`].
    Retry,
    /// A batch not sent before: [`SendWindow::stamp`] it, then [`SendWindow::sent`].
    New,
    /// Nothing, until an answer arrives or, where a time is given, until then.
    Wait(Option<Instant>),
    /// Nothing, until the producer has a fresh producer id.
    NeedsIdentity,
}

#[derive(Debug)]
struct Sent {
    batch: SealedBatch,
    failed: bool,
    /// What is sent instead of it, in two.
    halves: Option<[SealedBatch; 2]>,
}

/// The send side of one partition.
#[derive(Debug)]
pub(crate) struct SendWindow {
    idempotent: bool,
    /// Which transaction the batches belong to; `None` without any.
    transaction: Option<u64>,
    in_flight_max: usize,
    /// For batches that have to be compressed anew.
    compression_level: Option<i32>,
    identity: Option<ProducerIdentity>,
    next_sequence: Sequence,
    /// The broker knows the identity: it acknowledged a batch under it.
    is_established: bool,
    /// A sequence was consumed that the broker will never see, or never see again.
    gap: bool,
    in_flight: VecDeque<Sent>,
    in_flight_node: Option<NodeId>,
    retries: VecDeque<SealedBatch>,
    backoff: Backoff,
    resume_at: Option<Instant>,
    next_serial: u64,
    next_ordinal: u64,
}

impl SendWindow {
    pub(super) fn new(
        idempotent: bool,
        in_flight_max: usize,
        compression_level: Option<i32>,
        backoff: Backoff,
    ) -> Self {
        SendWindow {
            idempotent,
            transaction: None,
            in_flight_max,
            compression_level,
            identity: (!idempotent).then_some(ProducerIdentity::NONE),
            next_sequence: Sequence::FIRST,
            is_established: !idempotent,
            gap: false,
            in_flight: VecDeque::new(),
            in_flight_node: None,
            retries: VecDeque::new(),
            backoff,
            resume_at: None,
            next_serial: 0,
            next_ordinal: 0,
        }
    }

    pub(super) fn has_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Whether a sequence was used that the broker may never see.
    pub(super) fn has_gap(&self) -> bool {
        self.gap
    }

    /// Goes on in the transaction with this serial, under its identity: sequences start anew
    /// if that is another one. Waits for what is left of the transaction before.
    pub(crate) fn enter_transaction(&mut self, serial: u64, identity: ProducerIdentity) -> bool {
        if self.transaction == Some(serial) {
            return true;
        }
        if !self.in_flight.is_empty() || !self.retries.is_empty() {
            return false;
        }
        self.transaction = Some(serial);
        if self.identity != Some(identity) {
            self.adopt(identity);
        }
        true
    }

    /// Takes a fresh producer id. Sequences start anew; batches to be sent again keep the id they
    /// were stamped with until a broker proves that they were not written.
    pub(super) fn adopt(&mut self, identity: ProducerIdentity) {
        self.identity = Some(identity);
        self.next_sequence = Sequence::FIRST;
        self.is_established = false;
        self.gap = false;
    }

    /// As [`SendWindow::adopt`], unless the window has an id by now.
    pub(super) fn adopt_if_missing(&mut self, identity: ProducerIdentity) {
        if self.identity.is_none() {
            self.adopt(identity);
        }
    }

    /// What may be sent to `node` at `now`.
    pub(super) fn admission(&mut self, node: NodeId, now: Instant) -> Admission {
        if self.in_flight.is_empty() {
            self.in_flight_node = None;
            self.close_gap();
        }
        if self.identity.is_none() {
            return Admission::NeedsIdentity;
        }
        let elsewhere = self.in_flight_node.is_some_and(|current| current != node);
        let recovering = self.in_flight.iter().any(|sent| sent.failed);
        let alone = !self.is_established && !self.in_flight.is_empty();
        if elsewhere || recovering || alone {
            return Admission::Wait(None);
        }
        if let Some(resume_at) = self.resume_at.filter(|at| *at > now) {
            return Admission::Wait(Some(resume_at));
        }
        if self.gap && self.transaction.is_some() {
            return Admission::Wait(None);
        }
        if let Some(next) = self.retries.front() {
            let oldest = self.in_flight.front().map_or(next, |sent| &sent.batch);
            let span = next.ordinal - oldest.ordinal;
            return match span < self.in_flight_max as u64 {
                true => Admission::Retry,
                false => Admission::Wait(None),
            };
        }
        if self.gap || self.span() >= self.in_flight_max as u64 {
            return Admission::Wait(None);
        }
        Admission::New
    }

    /// What waits after an error need not wait any longer.
    pub(super) fn end_pause(&mut self) {
        self.resume_at = None;
    }

    /// The stamp of the next new batch, of `record_count` records. Call only on
    /// [`Admission::New`].
    pub(super) fn stamp(&mut self, record_count: u32) -> BatchStamp {
        let identity = self
            .identity
            .expect("invariant: stamped only when admitted");
        let sequence = self.next_sequence;
        if self.idempotent {
            self.next_sequence = sequence.advanced(record_count);
        }
        self.batch_stamp(identity, sequence)
    }

    fn batch_stamp(&self, identity: ProducerIdentity, sequence: Sequence) -> BatchStamp {
        BatchStamp {
            producer_id: identity.id,
            producer_epoch: identity.epoch,
            base_sequence: if self.idempotent { sequence.0 } else { -1 },
            is_transactional: self.transaction.is_some(),
        }
    }

    /// Batches sent since the oldest one without an answer, that one included.
    fn span(&self) -> u64 {
        let oldest = self.in_flight.front();
        oldest.map_or(0, |sent| self.next_ordinal - sent.batch.ordinal)
    }

    /// Registers a new batch as in flight to `node`; returns its serial for
    /// [`SendWindow::answered`].
    pub(super) fn sent(&mut self, mut batch: SealedBatch, node: NodeId) -> u64 {
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        batch.ordinal = ordinal;
        self.push_in_flight(batch, node)
    }

    fn push_in_flight(&mut self, mut batch: SealedBatch, node: NodeId) -> u64 {
        let serial = self.next_serial;
        self.next_serial += 1;
        batch.serial = serial;
        self.in_flight_node = Some(node);
        self.in_flight.push_back(Sent {
            batch,
            failed: false,
            halves: None,
        });
        serial
    }

    /// Moves the first batch to be sent again into flight. Call only on [`Admission::Retry`].
    pub(super) fn resend(&mut self, node: NodeId) -> Option<(u64, bytes::Bytes)> {
        let mut batch = self.retries.pop_front()?;
        batch.maybe_written = true;
        let bytes = batch.bytes.clone();
        Some((self.push_in_flight(batch, node), bytes))
    }

    /// The size of a batch in flight.
    pub(super) fn size_of(&self, serial: u64) -> Option<BatchSize> {
        let mut in_flight = self.in_flight.iter();
        let sent = in_flight.find(|sent| sent.batch.serial == serial)?;
        Some(BatchSize {
            records: sent.batch.record_count,
            bytes: sent.batch.bytes.len(),
        })
    }

    /// Takes a broker's answer for one batch.
    pub(super) fn answered(&mut self, serial: u64, verdict: Verdict, now: Instant) {
        let Some(index) = self
            .in_flight
            .iter()
            .position(|sent| sent.batch.serial == serial)
        else {
            return;
        };
        match verdict {
            Verdict::Acknowledged(acknowledgement) => {
                self.backoff.reset();
                self.is_established = true;
                if let Some(sent) = self.in_flight.remove(index) {
                    sent.batch.complete(Ok(acknowledgement));
                }
            }
            Verdict::Rejected(rejection) => {
                self.gap |= self.idempotent;
                if let Some(sent) = self.in_flight.remove(index) {
                    sent.batch.reject(&rejection.error, &rejection.records);
                }
            }
            Verdict::TooLarge(error) => self.split(index, &error),
            Verdict::Retriable => self.in_flight[index].failed = true,
            Verdict::OutOfOrder => {
                let sent = &mut self.in_flight[index];
                sent.failed = true;
                if index == 0 {
                    sent.batch.maybe_written = false;
                    self.gap = self.idempotent;
                }
            }
        }
        self.collect_failed(now);
    }

    /// Gives up what is past its delivery timeout. A batch in flight keeps its place until the
    /// answer, so that order and sequence stay known; only its caller stops waiting.
    pub(super) fn expire(&mut self, now: Instant, timed_out: impl Fn(bool) -> ProduceError) {
        for sent in &self.in_flight {
            if sent.batch.deadline <= now {
                sent.batch.complete(Err(timed_out(true)));
            }
        }
        let before = self.retries.len();
        self.retries.retain(|batch| {
            let keep = batch.deadline > now;
            if !keep {
                batch.complete(Err(timed_out(batch.maybe_written)));
            }
            keep
        });
        self.gap |= self.idempotent && self.retries.len() < before;
    }

    /// A stamp was taken and its batch never made: the sequence has a gap.
    pub(super) fn lose_stamp(&mut self) {
        self.gap = self.idempotent;
    }

    /// Whether batches wait to be sent again.
    pub(super) fn has_retries(&self) -> bool {
        !self.retries.is_empty()
    }

    /// Settles what waits to be sent again with `error`; whether the broker has it stays open.
    pub(super) fn fail_retries(&mut self, error: &ProduceError) {
        self.gap |= self.idempotent && !self.retries.is_empty();
        for batch in self.retries.drain(..) {
            batch.complete(Err(error.clone()));
        }
    }

    /// Settles everything with `error`: the producer cannot go on.
    pub(super) fn fail_all(&mut self, error: &ProduceError) {
        let retries = self.retries.drain(..);
        for batch in retries.chain(self.in_flight.drain(..).map(|sent| sent.batch)) {
            batch.complete(Err(error.clone()));
        }
    }

    /// The outcomes still open, first to last.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = &Arc<BatchOutcome>> {
        let in_flight = self.in_flight.iter().map(|sent| &sent.batch);
        in_flight.chain(&self.retries).map(SealedBatch::outcome)
    }

    /// Once every answer is in, turns the failed batches into retries, in their order.
    fn collect_failed(&mut self, now: Instant) {
        if self.in_flight.is_empty() || self.in_flight.iter().any(|sent| !sent.failed) {
            return;
        }
        let mut again = VecDeque::new();
        for sent in self.in_flight.drain(..) {
            match sent.halves {
                _ if sent.batch.is_complete() => self.gap |= self.idempotent,
                None => again.push_back(sent.batch),
                Some(halves) => again.extend(halves),
            }
        }
        again.append(&mut self.retries);
        self.retries = again;
        self.make_room_for_halves();
        self.resume_at = Some(now + self.backoff.next_delay());
    }

    /// Has the batch at `index`, which was not written, sent again in halves; gives it up if it
    /// has none. Its sequence numbers stay in use, so that those behind it need no others.
    fn split(&mut self, index: usize, error: &ProduceError) {
        let sent = &mut self.in_flight[index];
        let halves =
            (sent.batch.record_count > 1).then(|| sent.batch.split(self.compression_level));
        match halves {
            Some(Ok(halves)) => {
                sent.failed = true;
                sent.halves = Some(halves);
            }
            // Our own bytes, and unreadable: nothing is lost by trying until the time is up.
            Some(Err(reason)) => {
                tracing::error!(event = "producer_split_failed", reason);
                sent.failed = true;
            }
            None => {
                self.gap |= self.idempotent;
                if let Some(sent) = self.in_flight.remove(index) {
                    sent.batch.complete(Err(error.clone()));
                }
            }
        }
    }

    /// Second halves count as batches of their own: those behind them move on by one. Batches
    /// that were answered keep counting where they were, as the broker remembers them there.
    fn make_room_for_halves(&mut self) {
        let mut moved = 0;
        let mut last = None;
        for batch in &mut self.retries {
            moved += u64::from(last == Some(batch.ordinal));
            last = Some(batch.ordinal);
            batch.ordinal += moved;
        }
        self.next_ordinal += moved;
    }

    /// Starts the next epoch when a gap stands in the way and nothing unresolved is left that
    /// still belongs to the current one.
    fn close_gap(&mut self) {
        let resolved = self
            .retries
            .front()
            .is_none_or(|batch| !batch.maybe_written);
        if !self.gap || !resolved || self.transaction.is_some() {
            return;
        }
        // With the epochs of this id used up there is no identity until `adopt` brings a new one.
        self.identity = self.identity.and_then(ProducerIdentity::bumped);
        let Some(identity) = self.identity else {
            return;
        };
        self.adopt(identity);
        let mut retries = std::mem::take(&mut self.retries);
        for batch in &mut retries {
            let stamp = self.batch_stamp(identity, self.next_sequence);
            self.next_sequence = self.next_sequence.advanced(batch.record_count);
            batch.restamp(stamp);
        }
        self.retries = retries;
    }
}

#[cfg(test)]
mod tests;
