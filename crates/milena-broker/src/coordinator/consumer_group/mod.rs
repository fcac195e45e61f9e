//! One consumer group of the new protocol (KIP-848) as a plain state machine.
//!
//! The coordinator assigns: each change of members, subscriptions or topics raises
//! the group's epoch, a target is computed for that epoch, and every member is led
//! from what it has to its target, first giving up, then taking over what others
//! have given up. Requests and the time go in, responses come out. Reads no clock,
//! owns no socket, and knows no storage.

mod assignor;
mod heartbeat;
mod member;
mod reconcile;
mod subscription;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use assignor::ServerAssignor;
pub(crate) use heartbeat::{Beat, BeatRequest, Refusal};
pub(crate) use member::{Member, MemberState};
pub(crate) use subscription::{Pattern, TopicShape, TopicView};

use super::group::Credentials;

/// Partitions by topic id and index.
pub(crate) type PartitionSet = BTreeSet<(Uuid, i32)>;

/// What such a group is configured with.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerGroupSettings {
    /// `group.consumer.session.timeout.ms`
    pub(crate) session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`
    pub(crate) heartbeat_interval: Duration,
    /// `group.consumer.max.size`
    pub(crate) members_max: usize,
    /// `group.consumer.assignors`; the first is what members get that have no wish.
    pub(crate) assignors: Vec<ServerAssignor>,
}

/// A consumer group of the new protocol.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    settings: ConsumerGroupSettings,
    /// Raised by every change that the assignment depends on.
    epoch: i32,
    /// The epoch the targets were computed for.
    target_epoch: i32,
    assignor: ServerAssignor,
    members: BTreeMap<Arc<str>, Member>,
    /// Member ids of the static members, by instance id (KIP-345).
    instances: BTreeMap<Arc<str>, Arc<str>>,
    /// What each member is to have.
    targets: BTreeMap<Arc<str>, PartitionSet>,
    /// The topics that members subscribe to, as they were seen last.
    topics: BTreeMap<Arc<str>, TopicShape>,
    /// The version of the catalog that `topics` stems from.
    topics_version: Option<u64>,
    /// There is something to remember that was not asked for yet.
    is_changed: bool,
}

/// What survives a restart of the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerGroupSnapshot {
    pub(crate) epoch: i32,
    pub(crate) target_epoch: i32,
    pub(crate) assignor: ServerAssignor,
    pub(crate) members: Vec<Member>,
    pub(crate) targets: Vec<(Arc<str>, PartitionSet)>,
}

impl ConsumerGroup {
    pub(crate) fn new(settings: ConsumerGroupSettings) -> Self {
        let assignor = settings.assignors.first().copied().unwrap_or_default();
        ConsumerGroup {
            settings,
            epoch: 0,
            target_epoch: 0,
            assignor,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            targets: BTreeMap::new(),
            topics: BTreeMap::new(),
            topics_version: None,
            is_changed: false,
        }
    }

    /// A group as it was before a restart: its members have a session timeout to
    /// show up.
    pub(crate) fn restore(
        settings: ConsumerGroupSettings,
        snapshot: ConsumerGroupSnapshot,
        now: Instant,
    ) -> Self {
        let mut group = ConsumerGroup::new(settings);
        group.epoch = snapshot.epoch;
        group.target_epoch = snapshot.target_epoch;
        group.assignor = snapshot.assignor;
        group.targets = snapshot.targets.into_iter().collect();
        let session_ends = now + group.settings.session_timeout;
        for mut member in snapshot.members {
            member.session_ends = session_ends;
            if let Some(instance_id) = &member.instance_id {
                let instance_id = instance_id.clone();
                group.instances.insert(instance_id, member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        group
    }

    pub(crate) fn snapshot(&self) -> ConsumerGroupSnapshot {
        let targets = self.targets.iter();
        ConsumerGroupSnapshot {
            epoch: self.epoch,
            target_epoch: self.target_epoch,
            assignor: self.assignor,
            members: self.members.values().cloned().collect(),
            targets: targets
                .map(|(id, target)| (id.clone(), target.clone()))
                .collect(),
        }
    }

    /// Whether there is something new to remember since this was last asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Apache Kafka's name for the state.
    pub(crate) fn state_name(&self) -> &'static str {
        let is_settled = |member: &Member| {
            member.state == MemberState::Stable && member.epoch == self.target_epoch
        };
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if self.members.values().all(is_settled) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(crate) fn target_epoch(&self) -> i32 {
        self.target_epoch
    }

    pub(crate) fn assignor(&self) -> ServerAssignor {
        self.assignor
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The topics that members subscribe to, by name or expression.
    pub(crate) fn subscribed_topics(&self) -> BTreeSet<String> {
        self.topics.keys().map(|name| name.to_string()).collect()
    }

    /// What a member is to have.
    pub(crate) fn target(&self, member_id: &str) -> PartitionSet {
        self.targets.get(member_id).cloned().unwrap_or_default()
    }

    /// Whether these credentials may commit offsets.
    pub(crate) fn check_commit(&self, credentials: Credentials<'_>) -> Result<(), ErrorCode> {
        if credentials.generation < 0 && self.members.is_empty() {
            // A consumer that assigns itself, or an administrator.
            return Ok(());
        }
        self.check_epoch(credentials.member_id, credentials.generation)
    }

    /// Whether a member may read offsets; who names no member may always.
    pub(crate) fn check_fetch(&self, member_id: Option<&str>, epoch: i32) -> Result<(), ErrorCode> {
        match member_id {
            None | Some("") if epoch < 0 => Ok(()),
            member_id => self.check_epoch(member_id.unwrap_or_default(), epoch),
        }
    }

    fn check_epoch(&self, member_id: &str, epoch: i32) -> Result<(), ErrorCode> {
        let member = self.members.get(member_id);
        let member = member.ok_or(ErrorCode::UnknownMemberId)?;
        if member.epoch == epoch {
            Ok(())
        } else {
            Err(ErrorCode::StaleMemberEpoch)
        }
    }

    /// Removes members whose session is over or that do not give up what they must.
    pub(crate) fn tick(&mut self, now: Instant) {
        let is_due = |member: &&Member| member.deadline() <= now;
        let expired = self.members.values().filter(is_due);
        let expired: Vec<Arc<str>> = expired.map(|member| member.id.clone()).collect();
        for id in expired {
            tracing::info!(event = "group_member_expired", member_id = %id);
            self.remove(&id);
        }
    }

    /// The next time that something is due; `None` if nothing ever is.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.members.values().map(Member::deadline).min()
    }

    fn remove(&mut self, id: &str) {
        self.targets.remove(id);
        if let Some(member) = self.members.remove(id) {
            if let Some(instance_id) = &member.instance_id
                && self
                    .instances
                    .get(instance_id)
                    .is_some_and(|holder| **holder == *id)
            {
                self.instances.remove(instance_id);
            }
            self.raise_epoch();
        }
    }

    /// Asks for new targets. What happens before they are computed shares an epoch.
    fn raise_epoch(&mut self) {
        if self.epoch == self.target_epoch {
            self.epoch = self.epoch.saturating_add(1);
        }
        self.is_changed = true;
    }
}

#[cfg(test)]
mod tests;
