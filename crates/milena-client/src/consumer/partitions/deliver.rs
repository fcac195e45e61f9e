//! What fetches bring, taken into the table of partitions.
//!
//! Owns what follows from a response, partition by partition: records queued, positions moved,
//! errors told. The decisions about one partition are its `Position`'s.

use tokio::time::Instant;

use super::{Partitions, QueuedBatch};
use crate::consumer::position::{FetchErrorAction, Incarnation, TruncationAction};
use crate::consumer::validation::{EpochEnd, EpochQuery};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ErrorCode;

/// One partition's part of a fetch response.
#[derive(Debug)]
pub(crate) struct FetchedPartition {
    pub(crate) partition: TopicPartition,
    pub(crate) incarnation: Incarnation,
    pub(crate) fetched_from: i64,
    pub(crate) result: FetchedResult,
}

/// What a fetch brought for one partition.
#[derive(Debug)]
pub(crate) enum FetchedResult {
    Records {
        batches: Vec<QueuedBatch>,
        /// After the last complete batch, whether it is handed out or not.
        next_offset: i64,
        /// Of that batch.
        last_epoch: i32,
        high_watermark: i64,
        last_stable_offset: i64,
    },
    /// The leader recommends another replica to read from.
    Elsewhere(NodeId),
    /// The log parts from what was fetched, at the end of this epoch at the latest.
    Diverging(EpochEnd),
    /// The broker's code for this partition.
    Code(ErrorCode),
    /// What came cannot be read.
    Unreadable(Error),
}

impl FetchedResult {
    /// Whether it may take a position back.
    pub(crate) fn is_diverging(&self) -> bool {
        matches!(self, Self::Diverging(_))
    }
}

/// What delivering a response came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Partitions about which metadata is out of date.
    pub(crate) stale: Vec<TopicPartition>,
    /// There is something to hand out, be it an error.
    pub(crate) is_ready: bool,
    /// There is something new to ask, or to fetch from another broker.
    pub(crate) has_work: bool,
}

impl Partitions {
    /// Takes in a fetch response of `node`.
    pub(crate) fn deliver(
        &mut self,
        node: NodeId,
        fetched: Vec<FetchedPartition>,
        now: Instant,
    ) -> Delivered {
        let mut delivered = Delivered::default();
        for part in fetched {
            match part.result {
                FetchedResult::Records {
                    batches,
                    next_offset,
                    last_epoch,
                    high_watermark,
                    last_stable_offset,
                } => {
                    let Some(entry) = self.entries.get_mut(&part.partition) else {
                        continue;
                    };
                    let position = &mut entry.position;
                    let (asked, from) = (part.incarnation, part.fetched_from);
                    if !position.on_fetched(asked, from, next_offset, last_epoch) {
                        continue;
                    }
                    position.set_watermarks(high_watermark, last_stable_offset);
                    delivered.is_ready |= self.enqueue(&part.partition, batches);
                }
                FetchedResult::Elsewhere(replica) => {
                    let max_age = self.config.replica_max_age;
                    if let Some(entry) = self.entries.get_mut(&part.partition) {
                        let position = &mut entry.position;
                        delivered.has_work |= position.on_recommended(node, replica, now, max_age);
                    }
                }
                FetchedResult::Diverging(end) => self.on_diverging(&part, end, now, &mut delivered),
                FetchedResult::Code(code) => self.on_code(node, &part, code, now, &mut delivered),
                FetchedResult::Unreadable(ref error) => {
                    let error = error.clone();
                    let Some(entry) = self.entries.get_mut(&part.partition) else {
                        continue;
                    };
                    if entry.position.expects(part.incarnation, part.fetched_from) {
                        entry.position.pause_after_error(now);
                        self.push_error(error);
                        delivered.is_ready = true;
                    }
                }
            }
        }
        delivered
    }

    fn on_diverging(
        &mut self,
        part: &FetchedPartition,
        end: EpochEnd,
        now: Instant,
        delivered: &mut Delivered,
    ) {
        let policy = self.config.policy;
        let Some(entry) = self.entries.get_mut(&part.partition) else {
            return;
        };
        let (asked, from) = (part.incarnation, part.fetched_from);
        let action = entry.position.on_diverging(asked, from, end, policy, now);
        delivered.has_work |= action != TruncationAction::GoOn;
        delivered.is_ready |= self.on_truncation(&part.partition, action);
    }

    /// Takes in where the epoch of what was fetched ends.
    pub(crate) fn on_epoch_end(
        &mut self,
        partition: &TopicPartition,
        asked: Incarnation,
        query: EpochQuery,
        end: EpochEnd,
        now: Instant,
    ) {
        let policy = self.config.policy;
        let Some(entry) = self.entries.get_mut(partition) else {
            return;
        };
        let action = entry.position.on_epoch_end(asked, query, end, policy, now);
        self.on_truncation(partition, action);
    }

    /// Returns whether there is an error to hand out.
    fn on_truncation(&mut self, partition: &TopicPartition, action: TruncationAction) -> bool {
        if action == TruncationAction::GoOn {
            return false;
        }
        self.drop_queue(partition);
        self.note_change();
        match action {
            TruncationAction::GoOn | TruncationAction::Refetch => false,
            TruncationAction::Move { from, to } => {
                tracing::warn!(event = "log_truncated", %partition, position = from, gone_from = to);
                false
            }
            TruncationAction::SurfaceAndStop {
                position,
                gone_from,
            } => {
                self.push_error(Error::LogTruncated {
                    partition: partition.clone(),
                    position,
                    diverging_offset: gone_from,
                });
                true
            }
        }
    }

    /// A broker is away: partitions of these that were read from it as a follower are read from
    /// their leaders.
    pub(crate) fn on_node_failed<'a>(
        &mut self,
        node: NodeId,
        partitions: impl Iterator<Item = &'a TopicPartition>,
        now: Instant,
    ) {
        for partition in partitions {
            if let Some(entry) = self.entries.get_mut(partition) {
                entry.position.on_replica_failed(node, now);
            }
        }
    }

    fn on_code(
        &mut self,
        node: NodeId,
        part: &FetchedPartition,
        code: ErrorCode,
        now: Instant,
        delivered: &mut Delivered,
    ) {
        let policy = self.config.policy;
        let Some(entry) = self.entries.get_mut(&part.partition) else {
            return;
        };
        let (asked, from) = (part.incarnation, part.fetched_from);
        if entry.position.expects(asked, from) && entry.position.on_replica_failed(node, now) {
            // Whatever is wrong with a follower, the leader knows better (KIP-392).
            tracing::debug!(event = "replica_left", partition = %part.partition, %node, code = code.name());
            delivered.has_work = true;
            if code.refreshes_metadata() {
                delivered.stale.push(part.partition.clone());
            }
            return;
        }
        let action = entry
            .position
            .on_fetch_error(asked, from, code, policy, now);
        let context = || format!("fetch of {} from offset {from}", part.partition);
        if action != FetchErrorAction::Ignore {
            tracing::debug!(event = "fetch_error", partition = %part.partition, offset = from, code = code.name());
        }
        match action {
            FetchErrorAction::Ignore | FetchErrorAction::Retry => {}
            FetchErrorAction::RefreshMetadata => delivered.stale.push(part.partition.clone()),
            FetchErrorAction::Reset => {
                self.drop_queue(&part.partition);
                delivered.has_work = true;
            }
            FetchErrorAction::Surface => {
                self.push_error(Error::broker(code, context()));
                delivered.is_ready = true;
            }
            FetchErrorAction::SurfaceAndStop => {
                self.drop_queue(&part.partition);
                self.push_error(Error::broker(code, context()));
                delivered.is_ready = true;
            }
        }
    }

    /// Queues batches; whether something can be handed out now.
    fn enqueue(&mut self, partition: &TopicPartition, batches: Vec<QueuedBatch>) -> bool {
        let Some(entry) = self.entries.get_mut(partition) else {
            return false;
        };
        for batch in batches {
            let bytes = batch.raw.bytes().len();
            entry.queued_bytes += bytes;
            self.queued_bytes += bytes;
            entry.queue.push_back(batch);
        }
        if entry.queue.is_empty() {
            if !entry.is_open {
                entry.position.on_drained();
            }
            return self.note_end(partition);
        }
        if !entry.is_listed {
            entry.is_listed = true;
            self.ready.push_back(partition.clone());
        }
        entry.position.can_hand_out()
    }
}
