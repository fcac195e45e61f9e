//! A fetch session: what the broker already knows about our fetches (KIP-227).
//!
//! Owns the session id, its epoch and the partitions the broker remembers, and
//! decides what the next request must say; must not know sockets, clocks or
//! the records that come back. Event in (`plan`, `on_response`, `on_failure`),
//! request contents out.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::topology::TopicPartition;
use crate::wire::ErrorCode;

/// Epoch of a request that asks for a new session.
const EPOCH_INITIAL: i32 = 0;
/// Id of no session.
const SESSION_NONE: i32 = 0;

/// What is asked about one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchParams {
    pub(crate) topic_id: Uuid,
    pub(crate) fetch_offset: i64,
    pub(crate) current_leader_epoch: i32,
    /// Of the last record fetched; -1 when not known.
    pub(crate) last_fetched_epoch: i32,
    pub(crate) partition_bytes_max: i32,
}

/// What the next request says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FetchPlan {
    pub(crate) session_id: i32,
    pub(crate) session_epoch: i32,
    /// Partitions to name: all of them for a new session, else those that are
    /// new or have changed.
    pub(crate) partitions: Vec<(TopicPartition, FetchParams)>,
    /// Partitions the broker must drop from the session.
    pub(crate) forgotten: Vec<(TopicPartition, Uuid)>,
}

/// The session with one broker.
#[derive(Debug)]
pub(crate) struct FetchSession {
    id: i32,
    /// Epoch of the next request.
    epoch: i32,
    known: BTreeMap<TopicPartition, FetchParams>,
}

/// Whether the partitions of a response can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionOutcome {
    /// Use the response.
    Accepted,
    /// The session is gone; ask again for a new one, at once.
    Restarted,
    /// The request as a whole failed with this code; ask again after a pause.
    Failed(ErrorCode),
}

impl FetchSession {
    pub(crate) fn new() -> Self {
        Self {
            id: SESSION_NONE,
            epoch: EPOCH_INITIAL,
            known: BTreeMap::new(),
        }
    }

    /// Plans the request that fetches exactly `wanted`.
    ///
    /// A partition whose topic id changed belongs to a recreated topic: the old
    /// one is forgotten and the new one added in the same request.
    pub(crate) fn plan(&mut self, wanted: BTreeMap<TopicPartition, FetchParams>) -> FetchPlan {
        let is_full = self.epoch == EPOCH_INITIAL;
        let mut forgotten = Vec::new();
        let mut partitions = Vec::new();
        if is_full {
            partitions.extend(wanted.iter().map(clone_pair));
        } else {
            for (partition, known) in &self.known {
                let replaced_id = wanted
                    .get(partition)
                    .is_none_or(|params| params.topic_id != known.topic_id);
                if replaced_id {
                    forgotten.push((partition.clone(), known.topic_id));
                }
            }
            for (partition, params) in &wanted {
                if self.known.get(partition) != Some(params) {
                    partitions.push((partition.clone(), params.clone()));
                }
            }
        }
        self.known = wanted;
        FetchPlan {
            session_id: self.id,
            session_epoch: self.epoch,
            partitions,
            forgotten,
        }
    }

    /// Takes in the head of a response.
    ///
    /// An id of 0 in an answer means that the broker keeps no session for us:
    /// its partitions are good, and the next request is a full one again.
    pub(crate) fn on_response(&mut self, error: ErrorCode, session_id: i32) -> SessionOutcome {
        match error {
            ErrorCode::None => {
                if session_id == SESSION_NONE {
                    self.restart(SESSION_NONE);
                } else if self.epoch == EPOCH_INITIAL || session_id != self.id {
                    self.id = session_id;
                    self.epoch = 1;
                } else {
                    self.epoch = next_epoch(self.epoch);
                }
                SessionOutcome::Accepted
            }
            ErrorCode::FetchSessionIdNotFound | ErrorCode::FetchSessionTopicIdError => {
                self.restart_or_fail(SESSION_NONE, error)
            }
            // Naming the old session makes the broker close it.
            ErrorCode::InvalidFetchSessionEpoch => self.restart_or_fail(self.id, error),
            other => {
                self.restart(SESSION_NONE);
                SessionOutcome::Failed(other)
            }
        }
    }

    /// Takes in that a request got no answer: nobody knows what the broker
    /// remembers, and its connection is gone, so start over.
    pub(crate) fn on_failure(&mut self) {
        self.restart(SESSION_NONE);
    }

    /// A session error in answer to a full request cannot be cured by another
    /// full request at once: that would spin.
    fn restart_or_fail(&mut self, id: i32, error: ErrorCode) -> SessionOutcome {
        let was_full = self.epoch == EPOCH_INITIAL;
        self.restart(id);
        if was_full {
            SessionOutcome::Failed(error)
        } else {
            SessionOutcome::Restarted
        }
    }

    fn restart(&mut self, id: i32) {
        self.id = id;
        self.epoch = EPOCH_INITIAL;
        self.known.clear();
    }
}

fn clone_pair(pair: (&TopicPartition, &FetchParams)) -> (TopicPartition, FetchParams) {
    (pair.0.clone(), pair.1.clone())
}

/// Epochs wrap from the largest to 1: 0 would ask for a new session.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests;
