//! All groups of a node: requests in, waiting responses out, timers, storage.
//!
//! Drives the state machines of [`super::group`] and [`super::consumer_group`]; owns none of their rules. What is
//! worth remembering is written down before it is answered.

mod consumer;
mod delete_offsets;
mod kind;
mod pending;
mod replay;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

pub(crate) use consumer::new_member_id;
pub(crate) use kind::Kind;
pub(crate) use replay::condense;

use super::consumer_group::ConsumerGroupSettings;
use super::group::{
    Action, Credentials, Group, GroupSettings, JoinRequest, Joined, LeaveRequest, SyncRequest,
    Synced, Ticket,
};
use super::offsets::{CommittedOffset, GroupOffsets, PendingOffsets};
use crate::clock;
use crate::config::BrokerConfig;
use crate::limits;
use crate::server::stopped;
use crate::storage::{GroupRecord, Storage};

/// How long the timer sleeps when nothing is due; it is woken when that changes.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// How a classic group decides whether offsets may be committed.
type CommitRule = fn(&mut Group, Credentials<'_>, Instant) -> Result<(), ErrorCode>;

/// The groups of a node.
pub(crate) struct Groups {
    settings: Settings,
    storage: Arc<Storage>,
    inner: Mutex<Inner>,
    /// The earliest deadline has changed.
    rescheduled: Notify,
}

#[derive(Default)]
struct Inner {
    groups: HashMap<Arc<str>, Entry>,
    /// When to look at which group again.
    schedule: BTreeSet<(Instant, Arc<str>)>,
    waiting: HashMap<Ticket, Waiter>,
    next_ticket: Ticket,
}

/// What groups are configured with, by kind.
#[derive(Debug, Clone)]
struct Settings {
    classic: GroupSettings,
    consumer: ConsumerGroupSettings,
}

struct Entry {
    kind: Kind,
    offsets: GroupOffsets,
    pending: PendingOffsets,
    scheduled: Option<Instant>,
}

enum Waiter {
    Join(oneshot::Sender<Joined>),
    Sync(oneshot::Sender<Result<Synced, ErrorCode>>),
}

/// Offsets to be committed, by topic and partition.
pub(crate) type Commits = Vec<(Arc<str>, i32, CommittedOffset)>;

impl Groups {
    /// The groups as the storage remembers them.
    pub(crate) fn open(
        config: &BrokerConfig,
        storage: Arc<Storage>,
        records: Vec<GroupRecord>,
    ) -> Groups {
        let settings = settings(config);
        let now = clock::now();
        let mut inner = Inner::default();
        for record in records {
            inner.replay(&settings, record, now);
        }
        let ids: Vec<Arc<str>> = inner.groups.keys().cloned().collect();
        for id in ids {
            inner.reschedule(&id);
        }
        Groups {
            settings,
            storage,
            inner: Mutex::new(inner),
            rescheduled: Notify::new(),
        }
    }

    /// Runs the timers until the broker stops.
    pub(crate) async fn run(&self, mut stop: watch::Receiver<bool>) {
        loop {
            let next = self.run_due(clock::now());
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.rescheduled.notified() => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    pub(crate) fn join(
        &self,
        group_id: &str,
        request: &JoinRequest,
    ) -> Result<oneshot::Receiver<Joined>, ErrorCode> {
        let mut inner = self.lock();
        if !inner.groups.contains_key(group_id) {
            if !request.member_id.is_empty() {
                return Err(ErrorCode::UnknownMemberId);
            }
            self.create(&mut inner, group_id, self.new_classic())?;
        }
        self.make_classic(&mut inner, group_id)?;
        let (ticket, answer) = inner.wait(Waiter::Join);
        self.drive(&mut inner, group_id, |group, now, actions| {
            group.join(request, ticket, now, actions);
        });
        Ok(answer)
    }

    pub(crate) fn sync(
        &self,
        group_id: &str,
        request: &SyncRequest<'_>,
    ) -> Result<oneshot::Receiver<Result<Synced, ErrorCode>>, ErrorCode> {
        let mut inner = self.lock();
        if !inner.is_classic(group_id) {
            return Err(ErrorCode::UnknownMemberId);
        }
        let (ticket, answer) = inner.wait(Waiter::Sync);
        self.drive(&mut inner, group_id, |group, now, actions| {
            group.sync(request, ticket, now, actions);
        });
        Ok(answer)
    }

    pub(crate) fn heartbeat(
        &self,
        group_id: &str,
        credentials: Credentials<'_>,
    ) -> Result<(), ErrorCode> {
        let mut inner = self.lock();
        self.drive(&mut inner, group_id, |group, now, _| {
            group.heartbeat(credentials, now)
        })
        .unwrap_or(Err(ErrorCode::UnknownMemberId))
    }

    pub(crate) fn leave(
        &self,
        group_id: &str,
        request: &LeaveRequest<'_>,
    ) -> Vec<Result<(), ErrorCode>> {
        let mut inner = self.lock();
        self.drive(&mut inner, group_id, |group, now, actions| {
            group.leave(request, now, actions)
        })
        .unwrap_or_else(|| vec![Err(ErrorCode::UnknownMemberId); request.leavers.len()])
    }

    /// Commits offsets for a member, or for nobody in particular.
    pub(crate) fn commit(
        &self,
        group_id: &str,
        credentials: Credentials<'_>,
        commits: Commits,
    ) -> Result<(), ErrorCode> {
        let mut inner = self.lock();
        if !inner.groups.contains_key(group_id) {
            if credentials.generation >= 0 {
                return Err(ErrorCode::IllegalGeneration);
            }
            self.create(&mut inner, group_id, self.new_classic())?;
        }
        self.check_commit(&mut inner, group_id, credentials, Group::check_commit)?;
        let Some(entry) = inner.groups.get_mut(group_id) else {
            return Err(ErrorCode::UnknownMemberId);
        };
        if !entry.offsets.has_room_for(commits.len()) {
            return Err(ErrorCode::InvalidCommitOffsetSize);
        }
        let record = GroupRecord::Offsets {
            group: Arc::from(group_id),
            rows: commits,
        };
        self.persist(&record)?;
        if let GroupRecord::Offsets { rows, .. } = record {
            for (topic, partition, offset) in rows {
                entry.offsets.commit(&topic, partition, offset);
            }
        }
        Ok(())
    }

    /// Looks at one group; `None` if there is no such group.
    pub(crate) fn inspect<T>(
        &self,
        group_id: &str,
        look: impl FnOnce(&Kind, &GroupOffsets) -> T,
    ) -> Option<T> {
        let inner = self.lock();
        inner
            .groups
            .get(group_id)
            .map(|entry| look(&entry.kind, &entry.offsets))
    }

    /// Looks at all groups, by id.
    pub(crate) fn list<T>(&self, mut look: impl FnMut(&str, &Kind) -> T) -> Vec<T> {
        let inner = self.lock();
        let mut groups: Vec<_> = inner.groups.iter().collect();
        groups.sort_by(|left, right| left.0.cmp(right.0));
        groups
            .into_iter()
            .map(|(id, entry)| look(id, &entry.kind))
            .collect()
    }

    /// Deletes a group that has no members, with its offsets.
    pub(crate) fn delete(&self, group_id: &str) -> Result<(), ErrorCode> {
        let mut inner = self.lock();
        let entry = inner
            .groups
            .get(group_id)
            .ok_or(ErrorCode::GroupIdNotFound)?;
        if entry.kind.is_inhabited() {
            return Err(ErrorCode::NonEmptyGroup);
        }
        self.persist(&GroupRecord::Removed {
            group: Arc::from(group_id),
        })?;
        inner.remove(group_id);
        Ok(())
    }

    /// Drops what was committed for a deleted topic.
    pub(crate) fn forget_topic(&self, topic: &str) {
        let mut inner = self.lock();
        let mut found = false;
        for entry in inner.groups.values_mut() {
            found |= entry.offsets.forget_topic(topic) | entry.pending.forget_topic(topic);
        }
        if found {
            let record = GroupRecord::TopicForgotten {
                topic: Arc::from(topic),
            };
            // What stays on disk is dropped again by the next deletion or expiry.
            let _ = self.persist(&record);
        }
    }

    /// Drops offsets of uninhabited groups that are older than `oldest_ms`, and
    /// groups of which nothing is left.
    pub(crate) fn expire(&self, oldest_ms: i64) {
        let mut inner = self.lock();
        let idle: Vec<Arc<str>> = inner
            .groups
            .iter()
            .filter(|(_, entry)| !entry.kind.is_inhabited())
            .map(|(id, _)| id.clone())
            .collect();
        for id in idle {
            let Some(entry) = inner.groups.get_mut(&id) else {
                continue;
            };
            let expired = entry.offsets.expire(oldest_ms);
            let record = if entry.offsets.is_empty() && entry.pending.is_empty() {
                GroupRecord::Removed { group: id.clone() }
            } else if expired {
                GroupRecord::OffsetsExpired {
                    group: id.clone(),
                    oldest_ms,
                }
            } else {
                continue;
            };
            if self.persist(&record).is_ok() && matches!(record, GroupRecord::Removed { .. }) {
                inner.remove(&id);
            }
        }
    }

    fn create(&self, inner: &mut Inner, group_id: &str, kind: Kind) -> Result<(), ErrorCode> {
        if inner.groups.len() >= limits::GROUPS_MAX {
            tracing::warn!(
                event = "group_refused",
                group = group_id,
                reason = "too many groups"
            );
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        inner.groups.insert(Arc::from(group_id), Entry::new(kind));
        Ok(())
    }

    fn new_classic(&self) -> Kind {
        Kind::Classic(Group::new(self.settings.classic))
    }

    /// A classic member comes: a group of the other kind becomes classic if it has
    /// no members, and keeps its offsets.
    fn make_classic(&self, inner: &mut Inner, group_id: &str) -> Result<(), ErrorCode> {
        let Some(entry) = inner.groups.get_mut(group_id) else {
            return Err(ErrorCode::UnknownMemberId);
        };
        if let Kind::Consumer(group) = &entry.kind {
            if !group.is_empty() {
                return Err(ErrorCode::InconsistentGroupProtocol);
            }
            entry.kind = self.new_classic();
        }
        Ok(())
    }

    /// Whether these credentials may commit offsets; `of_classic` is the rule of a classic group.
    fn check_commit(
        &self,
        inner: &mut Inner,
        group_id: &str,
        credentials: Credentials<'_>,
        of_classic: CommitRule,
    ) -> Result<(), ErrorCode> {
        if let Some(Kind::Consumer(group)) = inner.groups.get(group_id).map(|entry| &entry.kind) {
            return group.check_commit(credentials);
        }
        self.drive(inner, group_id, |group, now, _| {
            of_classic(group, credentials, now)
        })
        .unwrap_or(Err(ErrorCode::UnknownMemberId))
    }

    /// Lets the state machine of a classic group take a step and does what it asks
    /// for; `None` when there is no such group.
    fn drive<T>(
        &self,
        inner: &mut Inner,
        group_id: &str,
        step: impl FnOnce(&mut Group, Instant, &mut Vec<Action>) -> T,
    ) -> Option<T> {
        let (id, _) = inner.groups.get_key_value(group_id)?;
        let id = id.clone();
        let Kind::Classic(group) = &mut inner.groups.get_mut(group_id)?.kind else {
            return None;
        };
        let mut actions = Vec::new();
        let result = step(group, clock::now(), &mut actions);
        self.perform(inner, &id, actions);
        Some(result)
    }

    fn perform(&self, inner: &mut Inner, id: &Arc<str>, actions: Vec<Action>) {
        if actions.contains(&Action::Persist)
            && let Some(entry) = inner.groups.get(id)
        {
            // A group that is forgotten by a crash joins anew; that is no reason to fail it now.
            let _ = self.persist(&entry.kind.record(id));
        }
        for action in actions {
            match action {
                Action::Joined { ticket, outcome } => {
                    if let Some(Waiter::Join(waiter)) = inner.waiting.remove(&ticket) {
                        let _ = waiter.send(outcome);
                    }
                }
                Action::Synced { ticket, outcome } => {
                    if let Some(Waiter::Sync(waiter)) = inner.waiting.remove(&ticket) {
                        let _ = waiter.send(outcome);
                    }
                }
                Action::Persist => {}
            }
        }
        self.reschedule(inner, id);
    }

    fn reschedule(&self, inner: &mut Inner, id: &Arc<str>) {
        let earliest = inner.schedule.first().map(|(at, _)| *at);
        inner.reschedule(id);
        if inner.schedule.first().map(|(at, _)| *at) != earliest {
            self.rescheduled.notify_one();
        }
    }

    /// Does what is due and says when to come again.
    fn run_due(&self, now: Instant) -> Instant {
        let mut inner = self.lock();
        while let Some((at, id)) = inner.schedule.first().cloned() {
            if at > now {
                return at;
            }
            inner.schedule.pop_first();
            if let Some(entry) = inner.groups.get_mut(&id) {
                entry.scheduled = None;
                let mut actions = Vec::new();
                entry.kind.tick(now, &mut actions);
                self.perform(&mut inner, &id, actions);
            }
        }
        now + IDLE
    }

    fn persist(&self, record: &GroupRecord) -> Result<(), ErrorCode> {
        self.storage.save_group_record(record).map_err(|error| {
            tracing::error!(event = "group_not_saved", error = %error);
            ErrorCode::CoordinatorNotAvailable
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(kind: Kind) -> Self {
        Entry {
            kind,
            offsets: GroupOffsets::default(),
            pending: PendingOffsets::default(),
            scheduled: None,
        }
    }
}

impl Inner {
    fn wait<T>(
        &mut self,
        waiter: impl FnOnce(oneshot::Sender<T>) -> Waiter,
    ) -> (Ticket, oneshot::Receiver<T>) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(ticket, waiter(sender));
        (ticket, receiver)
    }

    fn reschedule(&mut self, id: &Arc<str>) {
        let Some(entry) = self.groups.get_mut(id) else {
            return;
        };
        let next = entry.kind.next_deadline();
        let former = std::mem::replace(&mut entry.scheduled, next);
        if former == next {
            return;
        }
        if let Some(at) = former {
            self.schedule.remove(&(at, id.clone()));
        }
        if let Some(at) = next {
            self.schedule.insert((at, id.clone()));
        }
    }

    fn is_classic(&self, group_id: &str) -> bool {
        let entry = self.groups.get(group_id);
        entry.is_some_and(|entry| matches!(entry.kind, Kind::Classic(_)))
    }

    fn remove(&mut self, group_id: &str) {
        if let Some((id, entry)) = self.groups.remove_entry(group_id)
            && let Some(at) = entry.scheduled
        {
            self.schedule.remove(&(at, id));
        }
    }
}

fn settings(config: &BrokerConfig) -> Settings {
    Settings {
        classic: GroupSettings {
            initial_rebalance_delay: config.group_initial_rebalance_delay,
            members_max: config.group_members_max,
        },
        consumer: ConsumerGroupSettings {
            session_timeout: config.consumer_session_timeout,
            heartbeat_interval: config.consumer_heartbeat_interval,
            members_max: config.consumer_group_members_max,
            assignors: config.consumer_assignors.clone(),
        },
    }
}
