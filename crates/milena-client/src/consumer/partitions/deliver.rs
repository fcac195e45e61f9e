//! Taking in what fetches bring.
//!
//! Owns the queueing of batches and the carrying out of what positions make of
//! errors.

use tokio::time::Instant;

use super::{Partitions, QueuedBatch};
use crate::consumer::position::{FetchErrorAction, Incarnation};
use crate::error::Error;
use crate::topology::TopicPartition;
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
        high_watermark: i64,
        last_stable_offset: i64,
    },
    /// The broker's code for this partition.
    Code(ErrorCode),
    /// What came cannot be read.
    Unreadable(Error),
}

/// What delivering a response came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) needs_metadata: bool,
    /// There is something to hand out, be it an error.
    pub(crate) is_ready: bool,
    /// Questions have come up.
    pub(crate) has_questions: bool,
}

impl Partitions {
    /// Takes in a fetch response.
    pub(crate) fn deliver(&mut self, fetched: Vec<FetchedPartition>, now: Instant) -> Delivered {
        let mut delivered = Delivered::default();
        for part in fetched {
            match part.result {
                FetchedResult::Records {
                    batches,
                    next_offset,
                    high_watermark,
                    last_stable_offset,
                } => {
                    let Some(entry) = self.entries.get_mut(&part.partition) else {
                        continue;
                    };
                    let position = &mut entry.position;
                    if !position.on_fetched(part.incarnation, part.fetched_from, next_offset) {
                        continue;
                    }
                    position.set_watermarks(high_watermark, last_stable_offset);
                    delivered.is_ready |= self.enqueue(&part.partition, batches);
                }
                FetchedResult::Code(code) => self.on_code(&part, code, now, &mut delivered),
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

    fn on_code(
        &mut self,
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
        let action = entry
            .position
            .on_fetch_error(asked, from, code, policy, now);
        let context = || format!("fetch of {} from offset {from}", part.partition);
        if action != FetchErrorAction::Ignore {
            tracing::debug!(event = "fetch_error", partition = %part.partition, offset = from, code = code.name());
        }
        match action {
            FetchErrorAction::Ignore | FetchErrorAction::Retry => {}
            FetchErrorAction::RefreshMetadata => delivered.needs_metadata = true,
            FetchErrorAction::Reset => {
                self.drop_queue(&part.partition);
                delivered.has_questions = true;
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
            return false;
        }
        if !entry.is_listed {
            entry.is_listed = true;
            self.ready.push_back(partition.clone());
        }
        entry.position.can_hand_out()
    }
}
