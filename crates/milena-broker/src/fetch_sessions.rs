//! Incremental fetch sessions (KIP-227).
//!
//! A plain state machine: what a request says and what was read go in, the list of
//! partitions to read and the list to answer with come out. Reads no log and no
//! clock. A session belongs to no connection; the least recently used make room.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use tokio::time::Instant;
use uuid::Uuid;

/// A session must be idle for so long before another may take its place.
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);

/// Epoch of a request that wants no session, or closes the one it names.
const FINAL_EPOCH: i32 = -1;
/// Epoch of a request that wants a new session.
const INITIAL_EPOCH: i32 = 0;

/// A topic the way the request names it: by id since Fetch v13, by name before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TopicKey {
    Name(StrBytes),
    Id(Uuid),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartitionKey {
    pub(crate) topic: TopicKey,
    pub(crate) partition: i32,
}

/// What to read from one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) key: PartitionKey,
    pub(crate) offset: i64,
    pub(crate) bytes_max: i32,
    pub(crate) leader_epoch: i32,
    /// Of the last record that the client has.
    pub(crate) last_fetched_epoch: i32,
}

/// The part of a fetch request that is about its session.
#[derive(Debug)]
pub(crate) struct SessionRequest {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) forgotten: Vec<PartitionKey>,
}

/// What a fetch is to read, and what kind of answer it gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// To be told to the client; 0 without a session.
    pub(crate) session_id: i32,
    /// Only partitions with news belong into the answer.
    pub(crate) incremental: bool,
    pub(crate) wanted: Vec<Wanted>,
}

/// What one partition had to say, as far as a session cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) bytes: usize,
    pub(crate) failed: bool,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) start_offset: i64,
}

/// All sessions of a node.
pub(crate) struct FetchSessions {
    sessions_max: usize,
    sessions: Mutex<HashMap<i32, Session>>,
}

struct Session {
    /// The epoch the next request must carry.
    epoch: i32,
    by_id: bool,
    partitions: BTreeMap<PartitionKey, SessionPartition>,
    /// The last partition that returned data: the next round starts after it, so
    /// that one busy partition cannot starve the others.
    served_last: Option<PartitionKey>,
    used: Instant,
}

struct SessionPartition {
    offset: i64,
    bytes_max: i32,
    leader_epoch: i32,
    last_fetched_epoch: i32,
    /// What the client was told; `None` if nothing it could rely on.
    told: Option<(i64, i64, i64)>,
}

impl FetchSessions {
    pub(crate) fn new(sessions_max: usize) -> Self {
        FetchSessions {
            sessions_max,
            sessions: Mutex::default(),
        }
    }

    /// Finds out what a request wants to read.
    pub(crate) fn begin(&self, request: SessionRequest, now: Instant) -> Result<Begun, ErrorCode> {
        let mut sessions = self.lock();
        match request.epoch {
            FINAL_EPOCH | INITIAL_EPOCH => {
                // Both end the session that the request names, if any.
                sessions.remove(&request.id);
                let session_id = if request.epoch == INITIAL_EPOCH {
                    self.open(&mut sessions, &request.wanted, now)
                } else {
                    0
                };
                Ok(Begun {
                    session_id,
                    incremental: false,
                    wanted: request.wanted,
                })
            }
            _ => {
                let session = sessions
                    .get_mut(&request.id)
                    .ok_or(ErrorCode::FetchSessionIdNotFound)?;
                session.advance(&request, now)?;
                Ok(Begun {
                    session_id: request.id,
                    incremental: true,
                    wanted: session.wanted(),
                })
            }
        }
    }

    /// Takes in what was read; says for each partition whether the client must hear of it.
    pub(crate) fn finish(&self, begun: &Begun, seen: &[Seen]) -> Vec<bool> {
        let mut sessions = self.lock();
        let Some(session) = sessions.get_mut(&begun.session_id) else {
            return vec![true; seen.len()];
        };
        let mut news = Vec::with_capacity(seen.len());
        for (wanted, seen) in begun.wanted.iter().zip(seen) {
            news.push(session.take_in(&wanted.key, *seen) || !begun.incremental);
        }
        news
    }

    /// Opens a session if there is room for one; 0 if not.
    fn open(&self, sessions: &mut HashMap<i32, Session>, wanted: &[Wanted], now: Instant) -> i32 {
        if sessions.len() >= self.sessions_max && !evict_one(sessions, now) {
            return 0;
        }
        let mut session = Session {
            epoch: 1,
            by_id: wanted
                .iter()
                .any(|wanted| matches!(wanted.key.topic, TopicKey::Id(_))),
            partitions: BTreeMap::new(),
            served_last: None,
            used: now,
        };
        session.update(wanted);
        let id = loop {
            let candidate = fastrand::i32(1..=i32::MAX);
            if !sessions.contains_key(&candidate) {
                break candidate;
            }
        };
        sessions.insert(id, session);
        id
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn evict_one(sessions: &mut HashMap<i32, Session>, now: Instant) -> bool {
    let idle = sessions
        .iter()
        .filter(|(_, session)| now.saturating_duration_since(session.used) >= EVICTABLE_AFTER)
        .min_by_key(|(_, session)| session.used)
        .map(|(id, _)| *id);
    idle.is_some_and(|id| sessions.remove(&id).is_some())
}

impl Session {
    fn advance(&mut self, request: &SessionRequest, now: Instant) -> Result<(), ErrorCode> {
        if request.epoch != self.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        let keys = request
            .wanted
            .iter()
            .map(|wanted| &wanted.key)
            .chain(&request.forgotten);
        for key in keys {
            if matches!(key.topic, TopicKey::Id(_)) != self.by_id {
                return Err(ErrorCode::FetchSessionTopicIdError);
            }
        }
        // After 2³¹−1 comes 1: 0 would ask for a new session.
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        self.used = now;
        self.update(&request.wanted);
        for key in &request.forgotten {
            self.partitions.remove(key);
        }
        Ok(())
    }

    fn update(&mut self, wanted: &[Wanted]) {
        for wanted in wanted {
            let told = self
                .partitions
                .get(&wanted.key)
                .and_then(|known| known.told);
            let partition = SessionPartition {
                offset: wanted.offset,
                bytes_max: wanted.bytes_max,
                leader_epoch: wanted.leader_epoch,
                last_fetched_epoch: wanted.last_fetched_epoch,
                told,
            };
            self.partitions.insert(wanted.key.clone(), partition);
        }
    }

    /// All partitions of the session, starting after the one that was served last.
    fn wanted(&self) -> Vec<Wanted> {
        let to_wanted = |(key, partition): (&PartitionKey, &SessionPartition)| Wanted {
            key: key.clone(),
            offset: partition.offset,
            bytes_max: partition.bytes_max,
            leader_epoch: partition.leader_epoch,
            last_fetched_epoch: partition.last_fetched_epoch,
        };
        let Some(last) = &self.served_last else {
            return self.partitions.iter().map(to_wanted).collect();
        };
        let after = self
            .partitions
            .range((Bound::Excluded(last.clone()), Bound::Unbounded));
        let before = self
            .partitions
            .range((Bound::Unbounded, Bound::Included(last.clone())));
        after.chain(before).map(to_wanted).collect()
    }

    fn take_in(&mut self, key: &PartitionKey, seen: Seen) -> bool {
        if seen.bytes > 0 {
            self.served_last = Some(key.clone());
        }
        let Some(partition) = self.partitions.get_mut(key) else {
            return true;
        };
        if seen.failed {
            // Whatever follows the failure is news again.
            partition.told = None;
            return true;
        }
        let offsets = Some((
            seen.high_watermark,
            seen.last_stable_offset,
            seen.start_offset,
        ));
        let changed = partition.told != offsets;
        partition.told = offsets;
        changed || seen.bytes > 0
    }
}

#[cfg(test)]
mod tests;
