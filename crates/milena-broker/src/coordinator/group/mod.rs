//! One classic consumer group as a plain state machine.
//!
//! Requests and the time go in; responses to those who wait come out as
//! [`Action`]s. Owns the rules of the group protocol (KIP-62, 345, 394, 559, 814).
//! Reads no clock, owns no socket, and knows no storage.
//!
//! ```text
//!            join                 all joined, or time is up
//!  Empty ────────▶ Preparing ───────────────────────────────▶ Completing
//!    ▲               ▲   ▲  join, leave, expiry                  │   │
//!    │ last one left │   └──────────────────────────────────────-┘   │ leader syncs
//!    └───────────────┤                                               ▼
//!                    └─────────────────────────────────────────── Stable
//! ```

mod expire;
mod join;
mod leave;
mod member;
mod rebalance;
mod sync;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use milena_wire::error_code::ErrorCode;
use tokio::time::Instant;

pub(crate) use join::JoinRequest;
pub(crate) use leave::{LeaveRequest, Leaver};
pub(crate) use member::{Member, Protocol};
pub(crate) use sync::SyncRequest;

/// Names a request that waits for its response.
pub(crate) type Ticket = u64;

/// What the state machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Answer a JoinGroup.
    Joined { ticket: Ticket, outcome: Joined },
    /// Answer a SyncGroup.
    Synced {
        ticket: Ticket,
        outcome: Result<Synced, ErrorCode>,
    },
    /// The members or the generation are worth remembering now.
    Persist,
}

/// The answer to a JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) error: ErrorCode,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Arc<str>,
    pub(crate) member_id: Arc<str>,
    /// All members, for the leader; empty for others.
    pub(crate) members: Vec<JoinedMember>,
    /// KIP-814: the leader came back to a stable group; it need not assign.
    pub(crate) skip_assignment: bool,
}

/// One member, as the leader is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) member_id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) metadata: Bytes,
}

/// The answer to a SyncGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) assignment: Bytes,
}

/// What a group is configured with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupSettings {
    pub(crate) initial_rebalance_delay: Duration,
    pub(crate) members_max: usize,
}

/// The identity a member shows with most requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Credentials<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) generation: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No members; there may be committed offsets.
    Empty,
    /// Members are joining; ends when all have, or at the deadline.
    Preparing {
        complete_by: Instant,
        initial: Option<InitialDelay>,
    },
    /// The leader is computing the assignment.
    Completing {
        synced_by: Instant,
    },
    Stable,
}

/// A new group gives further members time to come before it rebalances (KIP-134).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InitialDelay {
    /// How much longer the group may wait in total, beyond the current deadline.
    remaining: Duration,
    /// Someone came since the last deadline: that is worth another round.
    has_grown: bool,
}

impl State {
    /// Apache Kafka's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Preparing { .. } => "PreparingRebalance",
            State::Completing { .. } => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

/// A consumer group.
#[derive(Debug)]
pub(crate) struct Group {
    settings: GroupSettings,
    state: State,
    generation: i32,
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: BTreeMap<Arc<str>, Member>,
    /// Member ids of the static members, by instance id (KIP-345).
    instances: HashMap<Arc<str>, Arc<str>>,
    /// Ids given out that have not joined yet, with their deadlines (KIP-394).
    pending: HashMap<Arc<str>, Instant>,
}

/// What survives a restart of the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupSnapshot {
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Option<Arc<str>>,
    pub(crate) members: Vec<Member>,
}

impl Group {
    pub(crate) fn new(settings: GroupSettings) -> Self {
        Group {
            settings,
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: HashMap::new(),
            pending: HashMap::new(),
        }
    }

    /// A group as it was before a restart: its members have a session timeout to show up.
    pub(crate) fn restore(settings: GroupSettings, snapshot: GroupSnapshot, now: Instant) -> Self {
        let mut group = Group::new(settings);
        group.generation = snapshot.generation;
        group.protocol_type = snapshot.protocol_type;
        if snapshot.members.is_empty() {
            return group;
        }
        group.state = State::Stable;
        group.protocol = snapshot.protocol;
        group.leader = snapshot.leader;
        for mut member in snapshot.members {
            member.settle(now);
            if let Some(instance_id) = &member.instance_id {
                group
                    .instances
                    .insert(instance_id.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        group
    }

    pub(crate) fn snapshot(&self) -> GroupSnapshot {
        GroupSnapshot {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: self.members.values().cloned().collect(),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    /// Whether anyone is in the group or about to be.
    pub(crate) fn is_inhabited(&self) -> bool {
        !self.members.is_empty() || !self.pending.is_empty()
    }

    pub(crate) fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    pub(crate) fn protocol(&self) -> Option<&Arc<str>> {
        self.protocol.as_ref()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// A sign of life.
    pub(crate) fn heartbeat(
        &mut self,
        credentials: Credentials<'_>,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.check_member(credentials)?;
        if let Some(member) = self.members.get_mut(credentials.member_id) {
            member.renew(now);
        }
        match self.state {
            State::Preparing { .. } => Err(ErrorCode::RebalanceInProgress),
            State::Empty | State::Completing { .. } | State::Stable => Ok(()),
        }
    }

    /// Whether these credentials may commit offsets; a sign of life if they may.
    pub(crate) fn check_commit(
        &mut self,
        credentials: Credentials<'_>,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        let is_simple = credentials.generation < 0
            && credentials.member_id.is_empty()
            && credentials.instance_id.is_none();
        if is_simple && self.is_empty() {
            // A consumer that assigns itself, or an administrator.
            return Ok(());
        }
        self.check_member(credentials)?;
        if let State::Completing { .. } = self.state {
            return Err(ErrorCode::RebalanceInProgress);
        }
        if let Some(member) = self.members.get_mut(credentials.member_id) {
            member.renew(now);
        }
        Ok(())
    }

    /// Whether these credentials may commit offsets in a transaction, also while the
    /// leader assigns: the generation says that the member had the partitions.
    pub(crate) fn check_transactional_commit(
        &mut self,
        credentials: Credentials<'_>,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.check_member(credentials)?;
        if let Some(member) = self.members.get_mut(credentials.member_id) {
            member.renew(now);
        }
        Ok(())
    }

    /// Instance, member and generation must be the current ones, checked in this order.
    fn check_member(&self, credentials: Credentials<'_>) -> Result<(), ErrorCode> {
        self.check_instance(credentials.member_id, credentials.instance_id)?;
        if !self.members.contains_key(credentials.member_id) {
            return Err(ErrorCode::UnknownMemberId);
        }
        if credentials.generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        Ok(())
    }

    /// A static member must still be the one that holds its instance id.
    fn check_instance(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        let Some(instance_id) = instance_id else {
            return Ok(());
        };
        match self.instances.get(instance_id) {
            None => Err(ErrorCode::UnknownMemberId),
            Some(holder) if **holder != *member_id => Err(ErrorCode::FencedInstanceId),
            Some(_) => Ok(()),
        }
    }

    fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }
}

#[cfg(test)]
mod tests;
