//! One partition's log with its producers and those who wait for new records.
//!
//! Owns the order of an append: judge the sequence, stamp the offset, store,
//! remember, wake. Knows no request and not which node serves it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use milena_wire::batch::{self, RawBatch, TimestampType};
use milena_wire::error_code::ErrorCode;
use tokio::sync::Notify;

use super::epochs::{EpochEnd, LeaderEpochs};
use super::marker::{self, Marker};
use super::producers::{Producer, Producers, Sequenced, Verdict};
use super::transactions::AbortedTransaction;
use super::validate::Refusal;
use super::view::{ActiveProducer, Isolation, Offsets, ReadFrom};
use super::{
    BatchStore, FlushDepth, LogError, Piece, ReadLimit, SegmentSettings, StampedBatch,
    TimestampedOffset, replay,
};

/// The log of one partition, shared by all connections.
pub(crate) struct PartitionLog {
    state: Mutex<State>,
    /// Held by whoever is flushing.
    flush_turn: tokio::sync::Mutex<()>,
}

pub(super) struct State {
    pub(super) store: Box<dyn BatchStore>,
    pub(super) producers: Producers,
    epochs: LeaderEpochs,
    waiters: Vec<Weak<Notify>>,
    /// What is before it is on disk.
    flushed_offset: i64,
    /// What is before it need not be checked when the log is opened again.
    checkpoint_offset: i64,
}

/// Where a batch ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// The offset after the batch's last record.
    pub(crate) end_offset: i64,
    /// The time stamped on the records under LogAppendTime, else −1.
    pub(crate) log_append_time: i64,
    pub(crate) start_offset: i64,
    /// Records that are not on disk yet, this batch included.
    pub(crate) unflushed_records: u64,
}

/// Bytes for a fetch, and the offsets that go with them.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) bytes: usize,
    pub(crate) high_watermark: i64,
    /// What is before it is decided: no transaction is open there.
    pub(crate) last_stable_offset: i64,
    pub(crate) start_offset: i64,
    /// Transactions to be left out, for who reads what is committed.
    pub(crate) aborted: Option<Vec<AbortedTransaction>>,
    /// The last record that the reader has is not in this log; it goes on behind this at most.
    pub(crate) diverging: Option<EpochEnd>,
}

/// How appended batches are stamped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) timestamp_type: TimestampType,
    /// Wall clock, milliseconds.
    pub(crate) now_ms: i64,
}

impl PartitionLog {
    /// A log that is opened. Its leader is another than the one who wrote what is there.
    pub(crate) fn new(
        store: Box<dyn BatchStore>,
        producers: Producers,
        mut epochs: LeaderEpochs,
    ) -> Self {
        let flushed_offset = store.next_offset();
        epochs.truncate(flushed_offset);
        if flushed_offset > 0 {
            // Until checkpoints told of epochs there was only one.
            epochs.note(0, store.start_offset());
            epochs.begin(epochs.current() + 1, flushed_offset);
        } else {
            epochs.begin(0, 0);
        }
        let state = State {
            // A log that was just opened has no checkpoint at its end yet.
            checkpoint_offset: store.start_offset(),
            store,
            producers,
            epochs,
            waiters: Vec::new(),
            flushed_offset,
        };
        PartitionLog {
            state: Mutex::new(state),
            flush_turn: tokio::sync::Mutex::default(),
        }
    }

    /// Appends a validated batch, or says why not. A duplicate gets the offset
    /// that its first arrival got.
    pub(crate) fn append(&self, batch: &RawBatch, stamp: Stamp) -> Result<Appended, Refusal> {
        let mut state = self.lock();
        let sequenced = Sequenced::of(&batch.header);
        state.check_transaction(sequenced)?;
        match sequenced.map(|sequenced| state.producers.judge(sequenced)) {
            None | Some(Verdict::Append) => {}
            Some(Verdict::Duplicate(known)) => {
                return Ok(Appended {
                    base_offset: known.base_offset,
                    end_offset: known.base_offset + i64::from(batch.header.records_count),
                    log_append_time: if stamp.timestamp_type == TimestampType::LogAppendTime {
                        known.timestamp
                    } else {
                        -1
                    },
                    start_offset: state.store.start_offset(),
                    unflushed_records: state.unflushed_records(),
                });
            }
            Some(Verdict::OutOfOrder { expected }) => {
                return Err(Refusal::new(
                    ErrorCode::OutOfOrderSequenceNumber,
                    format!(
                        "producer {} sent sequence {} where {expected} follows",
                        batch.header.producer_id, batch.header.base_sequence
                    ),
                ));
            }
            Some(Verdict::StaleEpoch { current }) => {
                let header = &batch.header;
                return Err(stale_epoch(
                    header.producer_id,
                    header.producer_epoch,
                    current,
                ));
            }
        }
        let appended = state.store(batch, stamp)?;
        if let Some(sequenced) = sequenced {
            state
                .producers
                .appended(sequenced, appended.base_offset, stamp.now_ms);
        }
        state.wake();
        Ok(appended)
    }

    /// Appends the marker that ends a producer's transaction.
    pub(crate) fn append_marker(&self, marker: Marker, stamp: Stamp) -> Result<Appended, Refusal> {
        let batch = marker.encode(stamp.now_ms)?;
        let mut state = self.lock();
        let known = state.producers.epoch_of(marker.producer_id);
        if let Some(current) = known.filter(|current| marker.epoch < *current) {
            return Err(stale_epoch(marker.producer_id, marker.epoch, current));
        }
        let appended = state.store(&batch, stamp)?;
        let marked = marker.appended(appended.base_offset, stamp.now_ms);
        state.producers.marked(marked);
        state.wake();
        Ok(appended)
    }

    /// Reads whole batches from there on.
    pub(crate) fn read(
        &self,
        from: ReadFrom,
        mut limit: ReadLimit,
        isolation: Isolation,
    ) -> Result<Fetched, LogError> {
        let state = self.lock();
        state.check_epoch(from.leader_epoch)?;
        let offsets = state.offsets();
        let Offsets { start, end, .. } = offsets;
        let diverging = state.diverging(from)?;
        if diverging.is_some() {
            return Ok(Fetched {
                high_watermark: end,
                last_stable_offset: offsets.last_stable,
                start_offset: start,
                diverging,
                ..Fetched::default()
            });
        }
        let offset = from.offset;
        if offset < start || offset > end {
            return Err(LogError::OffsetOutOfRange { offset, start, end });
        }
        limit.before = limit.before.min(offsets.end_for(isolation));
        let pieces = if offset < limit.before {
            state.store.read(offset, limit)?
        } else {
            Vec::new()
        };
        let aborted = (isolation == Isolation::Committed).then(|| {
            let transactions = &state.producers.transactions;
            transactions.aborted_within(offset, marker::end_of(&pieces).unwrap_or(offset))
        });
        Ok(Fetched {
            bytes: pieces.iter().map(Piece::len).sum(),
            pieces,
            high_watermark: end,
            last_stable_offset: offsets.last_stable,
            start_offset: start,
            aborted,
            diverging,
        })
    }

    /// The epoch of the leader.
    pub(crate) fn leader_epoch(&self) -> i32 {
        self.lock().epochs.current()
    }

    /// Compares the leader epoch that a client believes in with ours; −1 asks nothing.
    pub(crate) fn check_leader_epoch(&self, believed: i32) -> Result<(), LogError> {
        self.lock().check_epoch(believed)
    }

    /// Where the records of `epoch` end, for someone who believes in the leader epoch `believed`.
    /// `None` of an epoch that is not known yet.
    pub(crate) fn epoch_end(
        &self,
        believed: i32,
        epoch: i32,
    ) -> Result<Option<EpochEnd>, LogError> {
        let state = self.lock();
        state.check_epoch(believed)?;
        Ok(state.epochs.end_of(epoch, state.store.next_offset()))
    }

    /// The epoch of the leader who wrote the record at `offset`.
    pub(crate) fn epoch_at(&self, offset: i64) -> Option<i32> {
        self.lock().epochs.epoch_at(offset)
    }

    /// A leader takes over that has all of the log; gives its epoch.
    pub(crate) fn begin_epoch(&self) -> i32 {
        let mut state = self.lock();
        let epoch = state.begin_epoch();
        state.wake();
        epoch
    }

    /// A leader takes over that lacks what is at `offset` or behind it; gives its epoch.
    pub(crate) fn begin_epoch_without(&self, offset: i64, now_ms: i64) -> Result<i32, LogError> {
        let mut state = self.lock();
        let Offsets { start, end, .. } = state.offsets();
        if offset < start || offset > end {
            return Err(LogError::OffsetOutOfRange { offset, start, end });
        }
        state.store.truncate(offset)?;
        let end = state.store.next_offset();
        state.epochs.truncate(end);
        state.producers = replay::producers(state.store.as_ref(), now_ms)?;
        state.flushed_offset = state.flushed_offset.min(end);
        state.checkpoint_offset = state.checkpoint_offset.min(end);
        let epoch = state.begin_epoch();
        state.wake();
        Ok(epoch)
    }

    /// Follows a change of the topic's configuration.
    pub(crate) fn configure(&self, settings: SegmentSettings) {
        self.lock().store.configure(settings);
    }

    /// Where the log begins and ends.
    pub(crate) fn offsets(&self) -> Offsets {
        self.lock().offsets()
    }

    /// Everyone who produced here and is remembered, by producer id.
    pub(crate) fn active_producers(&self) -> Vec<ActiveProducer> {
        let state = self.lock();
        let active = |(id, producer): (i64, &Producer)| ActiveProducer {
            id,
            epoch: producer.epoch,
            last_sequence: producer.batches.back().map_or(-1, |one| one.last_sequence),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            transaction_start: state.producers.transactions.start_of(id),
        };
        let mut all: Vec<_> = state.producers.iter().map(active).collect();
        all.sort_by_key(|producer| producer.id);
        all
    }

    pub(crate) fn find_timestamp(&self, ms: i64) -> Result<Option<TimestampedOffset>, LogError> {
        self.lock().store.find_timestamp(ms)
    }

    pub(crate) fn newest_timestamp(&self) -> Result<Option<TimestampedOffset>, LogError> {
        self.lock().store.newest_timestamp()
    }

    /// Has `waiter` notified by the next append, once.
    pub(crate) fn wait(&self, waiter: &Arc<Notify>) {
        let mut state = self.lock();
        if state.waiters.len() == state.waiters.capacity() {
            // Those who gave up make room before the list grows.
            state.waiters.retain(|waiter| waiter.strong_count() > 0);
        }
        // Someone who watches several logs comes back after each wake-up.
        if !state
            .waiters
            .iter()
            .any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(waiter)))
        {
            state.waiters.push(Arc::downgrade(waiter));
        }
    }

    /// Makes what was appended so far survive a loss of power. Blocks for the disk,
    /// but holds no lock while it does.
    pub(crate) fn flush(&self, depth: FlushDepth) -> Result<(), LogError> {
        let (flush, end_offset) = {
            let mut state = self.lock();
            let State {
                store,
                producers,
                epochs,
                ..
            } = &mut *state;
            let flush = store.begin_flush(depth, producers, epochs);
            (flush, store.next_offset())
        };
        if let Some(flush) = flush {
            flush.run().map_err(|source| LogError::Storage {
                action: "flush",
                source,
            })?;
            self.lock().store.end_flush(&flush);
        }
        let mut state = self.lock();
        state.flushed_offset = state.flushed_offset.max(end_offset);
        if depth == FlushDepth::Checkpoint {
            state.checkpoint_offset = state.checkpoint_offset.max(end_offset);
        }
        Ok(())
    }

    /// Waits until everything before `end_offset` is on disk. Whoever comes while
    /// another flush is running shares the next one: a group commit.
    pub(crate) async fn flush_up_to(self: &Arc<Self>, end_offset: i64) -> Result<(), LogError> {
        let _turn = self.flush_turn.lock().await;
        if self.lock().flushed_offset >= end_offset {
            return Ok(());
        }
        let log = self.clone();
        let flushed = tokio::task::spawn_blocking(move || log.flush(FlushDepth::Records)).await;
        flushed.unwrap_or_else(|error| {
            let source = std::io::Error::other(error);
            Err(LogError::Storage {
                action: "flush",
                source,
            })
        })
    }

    /// Whether a flush of this depth would have anything to do.
    pub(crate) fn needs_flush(&self, depth: FlushDepth) -> bool {
        let state = self.lock();
        let done = match depth {
            FlushDepth::Records => state.flushed_offset,
            FlushDepth::Checkpoint => state.checkpoint_offset,
        };
        state.store.next_offset() > done
    }

    /// Applies retention to the batches and to the memory of producers.
    pub(crate) fn clean(
        &self,
        before_ms: Option<i64>,
        bytes_max: Option<u64>,
        producers_oldest_ms: i64,
    ) -> Result<bool, LogError> {
        let mut state = self.lock();
        state.producers.expire(producers_oldest_ms);
        let has_moved = state.store.retain(before_ms, bytes_max)?;
        if has_moved {
            let start_offset = state.store.start_offset();
            state.producers.transactions.forget_before(start_offset);
            state.epochs.forget_before(start_offset);
        }
        Ok(has_moved)
    }

    /// Has the log start at `offset`, or at its end; gives where it starts now. What is below
    /// the start already stays deleted.
    pub(crate) fn delete_before(&self, offset: Option<i64>) -> Result<i64, LogError> {
        let mut state = self.lock();
        let (start, end) = (state.store.start_offset(), state.store.next_offset());
        let offset = offset.unwrap_or(end);
        if offset < 0 || offset > end {
            return Err(LogError::OffsetOutOfRange { offset, start, end });
        }
        if offset > start {
            state.store.delete_before(offset)?;
            state.producers.transactions.forget_before(offset);
            state.epochs.forget_before(offset);
            state.wake();
        }
        Ok(state.store.start_offset())
    }

    /// How much space the batches take.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().store.bytes()
    }

    /// Has everyone who waits look again: the log has grown, or is gone.
    pub(crate) fn wake(&self) {
        self.lock().wake();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Only a panic of our own poisons it, and each step leaves the log readable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn offsets(&self) -> Offsets {
        let start = self.store.start_offset();
        let end = self.store.next_offset();
        let last_stable = self.producers.transactions.last_stable_offset(end);
        Offsets {
            start,
            last_stable: last_stable.max(start),
            end,
        }
    }

    /// Compares the leader epoch that a reader believes in with ours; −1 asks nothing.
    fn check_epoch(&self, believed: i32) -> Result<(), LogError> {
        let current = self.epochs.current();
        if believed != -1 && believed != current {
            return Err(LogError::OtherEpoch { believed, current });
        }
        Ok(())
    }

    /// Where the log parts from what a reader has, if it does.
    fn diverging(&self, from: ReadFrom) -> Result<Option<EpochEnd>, LogError> {
        let epoch = from.last_fetched_epoch;
        if epoch == -1 {
            return Ok(None);
        }
        let end = self.epochs.end_of(epoch, self.store.next_offset());
        let end = end.ok_or(LogError::UnknownEpoch { epoch })?;
        Ok((end.epoch < epoch || end.offset < from.offset).then_some(end))
    }

    fn begin_epoch(&mut self) -> i32 {
        let epoch = self.epochs.current() + 1;
        self.epochs.begin(epoch, self.store.next_offset());
        epoch
    }

    /// In the middle of a transaction a producer writes nothing else.
    fn check_transaction(&self, batch: Option<Sequenced>) -> Result<(), Refusal> {
        let Some(batch) = batch.filter(|batch| !batch.is_transactional) else {
            return Ok(());
        };
        if self.producers.transactions.is_open(batch.producer_id) {
            return Err(Refusal::new(
                ErrorCode::InvalidTxnState,
                format!(
                    "producer {} has an open transaction here and wrote outside of it",
                    batch.producer_id
                ),
            ));
        }
        Ok(())
    }

    fn store(&mut self, batch: &RawBatch, stamp: Stamp) -> Result<Appended, Refusal> {
        let mut header = batch.header;
        let mut bytes = batch.bytes().clone();
        let mut log_append_time = -1;
        if stamp.timestamp_type == TimestampType::LogAppendTime {
            log_append_time = stamp.now_ms;
            (header, bytes) = with_append_time(&bytes, stamp.now_ms)?;
        }
        header.base_offset = self.store.next_offset();
        header.partition_leader_epoch = self.epochs.current();
        let stamped = StampedBatch { header, bytes };
        self.store.append(&stamped).map_err(|error| {
            tracing::error!(event = "append_failed", error = %error);
            Refusal::new(ErrorCode::KafkaStorageError, error.to_string())
        })?;
        Ok(Appended {
            base_offset: stamped.header.base_offset,
            end_offset: self.store.next_offset(),
            log_append_time,
            start_offset: self.store.start_offset(),
            unflushed_records: self.unflushed_records(),
        })
    }

    fn unflushed_records(&self) -> u64 {
        u64::try_from(self.store.next_offset() - self.flushed_offset).unwrap_or(0)
    }

    fn wake(&mut self) {
        for waiter in self.waiters.drain(..) {
            if let Some(waiter) = waiter.upgrade() {
                waiter.notify_one();
            }
        }
    }
}

fn stale_epoch(producer_id: i64, sent: i16, current: i16) -> Refusal {
    Refusal::new(
        ErrorCode::InvalidProducerEpoch,
        format!("producer {producer_id} sent epoch {sent}, the current one is {current}"),
    )
}

/// Copies the batch and stamps the time of its arrival on all its records.
fn with_append_time(bytes: &Bytes, now_ms: i64) -> Result<(batch::BatchHeader, Bytes), Refusal> {
    let mut copy = bytes.to_vec();
    let header = batch::patch_log_append_time(&mut copy, now_ms)
        .and_then(|()| batch::BatchHeader::parse(&copy))
        .map_err(|error| Refusal::new(ErrorCode::UnknownServerError, error.to_string()))?;
    Ok((header, Bytes::from(copy)))
}

#[cfg(test)]
mod tests;
