//! The task that keeps a consumer's partitions going.
//!
//! Owns which brokers are fetched from and the finding of unknown positions;
//! fetching itself is `fetcher`'s, the answers' meaning `position`'s.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::epoch_ends::epoch_ends;
use super::fetcher::{Fetcher, sleep_until};
use super::list_offsets::list_offsets;
use super::partitions::Partitions;
use super::position::{Incarnation, OffsetQuery, Position, Question};
use super::shared::Shared;
use super::validation::EpochQuery;
use crate::error::Error;
use crate::group::{GroupCoordinator, fetch_offsets};
use crate::metadata::ClusterSnapshot;
use crate::topology::{NodeId, TopicPartition};

/// Watches leaders, starts fetchers, finds positions.
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    coordinator: Option<Arc<GroupCoordinator>>,
    fetchers: JoinSet<()>,
    fetched_from: HashMap<NodeId, tokio::task::AbortHandle>,
    lookups: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl Supervisor {
    pub(super) fn new(shared: Arc<Shared>, coordinator: Option<Arc<GroupCoordinator>>) -> Self {
        Self {
            shared,
            coordinator,
            fetchers: JoinSet::new(),
            fetched_from: HashMap::new(),
            lookups: FuturesUnordered::new(),
        }
    }

    /// Runs until dropped or closed; its fetchers end with it.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut metadata = shared.client.metadata().subscribe();
        loop {
            let mut work = std::pin::pin!(shared.work.notified());
            work.as_mut().enable();
            if shared.is_closed() {
                return;
            }
            let wake_at = self.look_after();
            tokio::select! {
                () = work => {}
                changed = metadata.changed() => if changed.is_err() { return },
                Some(()) = self.lookups.next(), if !self.lookups.is_empty() => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Does what can be done now; returns when to look again.
    fn look_after(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let lacks_leader = self.update_leaders(now);
        let questions = self.shared.partitions().take_questions(now);
        let mut committed = Vec::new();
        let mut offsets = Vec::new();
        let mut epochs = Vec::new();
        for (partition, question, incarnation) in questions {
            match question {
                Question::Committed => committed.push((partition, incarnation)),
                Question::Offset(query) => offsets.push((partition, query, incarnation)),
                Question::EpochEnd(query) => epochs.push((partition, query, incarnation)),
            }
        }
        if !committed.is_empty() {
            let lookup = find_committed(
                Arc::clone(&self.shared),
                self.coordinator.clone(),
                committed,
            );
            self.lookups.push(Box::pin(lookup));
        }
        if !offsets.is_empty() {
            let lookup = find_offsets(Arc::clone(&self.shared), offsets);
            self.lookups.push(Box::pin(lookup));
        }
        if !epochs.is_empty() {
            let lookup = find_epoch_ends(Arc::clone(&self.shared), epochs);
            self.lookups.push(Box::pin(lookup));
        }
        let wake_at = self.shared.partitions().wake_at(now);
        if lacks_leader {
            if let Some(error) = self.shared.client.metadata().refusal() {
                self.shared.fail(error);
                return wake_at;
            }
            self.shared.client.metadata().request_refresh();
            let again_at = now + self.shared.client.config().retry_backoff_max;
            return Some(wake_at.map_or(again_at, |at| at.min(again_at)));
        }
        wake_at
    }

    /// Takes over leaders from metadata and starts fetchers where there are
    /// none. Returns whether a partition has no leader, or not the newest.
    fn update_leaders(&mut self, now: Instant) -> bool {
        let snapshot = self.shared.client.metadata().snapshot();
        let mut lacks_leader = false;
        let mut has_changed = false;
        let mut brokers = Vec::new();
        {
            let mut partitions = self.shared.partitions();
            start_recreated_anew(&mut partitions, &snapshot);
            for (name, position) in partitions.positions_mut() {
                let metadata = snapshot
                    .topic(&name.topic)
                    .and_then(|topic| topic.partition(name.partition));
                // A partition that metadata does not tell of now keeps its
                // leader: an answer may lack a topic that still is there.
                if let Some(metadata) = metadata {
                    has_changed |= position.set_leader(metadata.leader, metadata.leader_epoch);
                }
                if let Some(replica) = position.read_replica(now)
                    && !snapshot.brokers.contains_key(&replica)
                {
                    // Recommended, and not known: metadata is behind.
                    let is_left = position.on_replica_failed(replica, now);
                    has_changed |= is_left;
                    lacks_leader |= is_left;
                }
                brokers.extend(position.leader());
                brokers.extend(position.read_replica(now));
                lacks_leader |= position.leader().is_none() || position.needs_newer_metadata();
            }
        }
        self.run_fetchers(&brokers);
        if has_changed {
            self.shared.room.notify_waiters();
        }
        lacks_leader
    }

    fn run_fetchers(&mut self, brokers: &[NodeId]) {
        while self.fetchers.try_join_next().is_some() {}
        self.fetched_from.retain(|node, task| {
            let is_needed = brokers.contains(node) && !task.is_finished();
            if !is_needed {
                task.abort();
            }
            is_needed
        });
        for node in brokers {
            if !self.fetched_from.contains_key(node) {
                let fetcher = Fetcher::new(Arc::clone(&self.shared), *node);
                let task = self.fetchers.spawn(fetcher.run());
                self.fetched_from.insert(*node, task);
            }
        }
    }
}

/// Partitions of topics that were deleted and created again start at the beginning.
fn start_recreated_anew(partitions: &mut Partitions, snapshot: &ClusterSnapshot) {
    let mut recreated = Vec::new();
    for (name, position) in partitions.positions_mut() {
        if let Some(topic) = snapshot.topic(&name.topic)
            && position.set_topic(topic.id)
        {
            recreated.push(name.clone());
        }
    }
    for name in recreated {
        tracing::warn!(event = "topic_recreated", partition = %name);
        partitions.jump(&name, Position::start_anew);
    }
}

/// Asks the group for its offsets.
async fn find_committed(
    shared: Arc<Shared>,
    coordinator: Option<Arc<GroupCoordinator>>,
    asked: Vec<(TopicPartition, Incarnation)>,
) {
    let names: Vec<TopicPartition> = asked.iter().map(|(name, _)| name.clone()).collect();
    let result = match &coordinator {
        Some(coordinator) => fetch_offsets(coordinator, &names).await,
        None => Ok(HashMap::new()),
    };
    let now = Instant::now();
    let policy = shared.config.auto_offset_reset;
    let mut forgets_coordinator = false;
    {
        let mut partitions = shared.partitions();
        if let Err(error) = &result {
            tracing::debug!(event = "offset_fetch_failed", partitions = names.len(), %error);
            forgets_coordinator = true;
            if !error.is_retriable() {
                partitions.push_error(error.clone());
            }
        }
        for (name, incarnation) in asked {
            let answer = match (&result, coordinator.is_some()) {
                (Ok(_), false) => Some(Ok(None)),
                (Ok(offsets), true) => offsets.get(&name).copied(),
                (Err(_), _) => None,
            };
            let mut surfaced = None;
            partitions.update(&name, |position| match answer {
                Some(Ok(offset)) => {
                    if !position.on_committed(incarnation, offset, policy) {
                        surfaced = Some(Error::NoOffset {
                            partition: name.clone(),
                        });
                    }
                }
                Some(Err(code)) => {
                    position.on_question_failed(incarnation, now);
                    // Offsets of an open transaction: wait for its end.
                    if !code.is_retriable() {
                        surfaced = Some(Error::broker(code, format!("committed offset of {name}")));
                    }
                }
                None => position.on_question_failed(incarnation, now),
            });
            if let Some(error) = surfaced {
                partitions.push_error(error);
            }
        }
    }
    if let (true, Some(coordinator)) = (forgets_coordinator, &coordinator) {
        coordinator.forget();
    }
    shared.ready.notify_waiters();
    shared.room.notify_waiters();
}

/// Asks the leaders whether their logs still have what was fetched.
async fn find_epoch_ends(
    shared: Arc<Shared>,
    asked: Vec<(TopicPartition, EpochQuery, Incarnation)>,
) {
    let queries: Vec<(TopicPartition, EpochQuery)> = asked
        .iter()
        .map(|(name, query, _)| (name.clone(), *query))
        .collect();
    let mut answers = epoch_ends(&shared.client, &queries).await;
    {
        // A position that may go back must be exact.
        let _reader = shared.synced_reader();
        let now = Instant::now();
        let mut partitions = shared.partitions();
        for (name, query, incarnation) in asked {
            match answers.remove(&name) {
                Some(Ok(end)) => {
                    partitions.on_epoch_end(&name, incarnation, query, end, now);
                }
                Some(Err(Error::Unsupported { .. })) => {
                    partitions.update(&name, |position| {
                        position.on_epoch_unsupported(incarnation, query);
                    });
                }
                answer => {
                    partitions.update(&name, |position| {
                        position.on_question_failed(incarnation, now);
                    });
                    if let Some(Err(error)) = answer
                        && !error.is_retriable()
                    {
                        partitions.push_error(error);
                    }
                }
            }
        }
    }
    shared.ready.notify_waiters();
    shared.room.notify_waiters();
}

/// Asks the leaders for offsets of their logs.
async fn find_offsets(shared: Arc<Shared>, asked: Vec<(TopicPartition, OffsetQuery, Incarnation)>) {
    let queries: Vec<(TopicPartition, OffsetQuery)> = asked
        .iter()
        .map(|(name, query, _)| (name.clone(), *query))
        .collect();
    let mut answers = list_offsets(&shared.client, shared.config.isolation_level, &queries).await;
    let mut ends = Vec::new();
    {
        let now = Instant::now();
        let mut partitions = shared.partitions();
        for (name, query, incarnation) in asked {
            match answers.remove(&name) {
                Some(Ok(Some(offset))) => {
                    partitions.update(&name, |position| position.on_offset(incarnation, offset));
                }
                // Nothing as new as that: go on at the end.
                Some(Ok(None)) if query != OffsetQuery::Latest => ends.push((name, incarnation)),
                Some(Err(error)) if !error.is_retriable() => {
                    partitions.update(&name, |position| {
                        position.on_question_failed(incarnation, now);
                    });
                    partitions.push_error(error);
                }
                _ => {
                    partitions.update(&name, |position| {
                        position.on_question_failed(incarnation, now);
                    });
                }
            }
        }
        for (name, incarnation) in ends {
            partitions.update(&name, |position| position.on_timestamp_too_new(incarnation));
        }
    }
    shared.ready.notify_waiters();
    shared.room.notify_waiters();
}
