//! What a member wants done, and what it is told.
//!
//! Owns the plain values that pass between the state machines and their driver.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::error::Error;
use crate::group::assignor::{Assignments, Assignor, MemberSubscription, PreviousAssignment};
use crate::topology::TopicPartition;
use crate::wire::ErrorCode;

/// Generation of somebody who is not a member.
pub(crate) const GENERATION_NONE: i32 = -1;

/// Who the coordinator thinks this member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) member_id: String,
    pub(crate) generation: i32,
}

impl Identity {
    /// Whether it belongs to a generation of the group.
    pub(crate) fn is_member(&self) -> bool {
        self.generation != GENERATION_NONE && !self.member_id.is_empty()
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            member_id: String::new(),
            generation: GENERATION_NONE,
        }
    }
}

/// Something to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send JoinGroup; answer with `on_joined` or `on_join_failed`.
    Join(JoinCall),
    /// Run the assignor; answer with `on_assigned` or `on_assign_failed`.
    Assign {
        assignor: Assignor,
        members: Vec<MemberSubscription>,
    },
    /// Send SyncGroup; answer with `on_synced` or `on_sync_failed`.
    Sync(SyncCall),
    /// Send Heartbeat; answer with `on_heartbeat`.
    Heartbeat(Identity),
    /// Send ConsumerGroupHeartbeat; answer with `on_beat` or `on_beat_failed`.
    Beat(BeatCall),
    /// Ask for the names of these topics; answer with `on_names`.
    NameTopics(BTreeSet<Uuid>),
    /// Say goodbye under this identity; answer with `on_left`.
    Leave(Identity),
    /// Stop consuming these, let the application finish and commit, drop them;
    /// answer with `on_given_up`.
    Revoke(Vec<TopicPartition>),
    /// Drop these, tell the application; answer with `on_given_up`.
    Lose(Vec<TopicPartition>),
    /// Start consuming these, maybe none; tells of a new generation.
    Start(Vec<TopicPartition>),
    /// Start consuming these at their beginning: their topics have taken the place
    /// of others with the same names.
    StartAnew(Vec<TopicPartition>),
    /// Look for the coordinator again before the next request.
    FindCoordinator,
    /// Tell the application.
    Report(Trouble),
}

/// What JoinGroup says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinCall {
    pub(crate) identity: Identity,
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) owned: Vec<TopicPartition>,
    /// What it was assigned last; none before the first assignment.
    pub(crate) previous: Option<PreviousAssignment>,
    pub(crate) assignors: Vec<Assignor>,
}

/// What SyncGroup says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyncCall {
    pub(crate) identity: Identity,
    pub(crate) assignor: Assignor,
    /// Empty unless this member leads.
    pub(crate) assignments: Assignments,
}

/// A successful answer to JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) identity: Identity,
    pub(crate) assignor: Assignor,
    pub(crate) is_leader: bool,
    /// The coordinator hands out the old assignment whatever the leader says
    /// (KIP-814).
    pub(crate) skips_assignment: bool,
    /// What everybody subscribes to; the leader alone is told.
    pub(crate) members: Vec<MemberSubscription>,
}

/// What a member subscribes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscribed {
    pub(crate) topics: BTreeSet<Arc<str>>,
    /// A regular expression for whole topic names.
    pub(crate) pattern: Option<Arc<str>>,
}

impl Subscribed {
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.pattern.is_none()
    }
}

/// What ConsumerGroupHeartbeat says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BeatCall {
    /// Tells the answer from those to other heartbeats.
    pub(crate) number: u64,
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    /// Says everything there is to say.
    pub(crate) is_full: bool,
    /// None when the coordinator knows.
    pub(crate) subscribed: Option<Subscribed>,
    /// The coordinator was told of a pattern that does not count any more.
    pub(crate) takes_pattern_back: bool,
    /// None when the coordinator knows.
    pub(crate) owned: Option<BTreeSet<(Uuid, i32)>>,
}

/// A successful answer to ConsumerGroupHeartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beat {
    /// None when it stays the same.
    pub(crate) member_id: Option<String>,
    pub(crate) epoch: i32,
    pub(crate) interval: Duration,
    /// None when it stays the same.
    pub(crate) assigned: Option<BTreeSet<(Uuid, i32)>>,
}

/// The names of topics, by id.
pub(crate) type TopicNames = BTreeMap<Uuid, Arc<str>>;

/// Where a member is after leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Nowhere: it subscribes to nothing.
    Idle,
    /// Outside, until the application polls again.
    Stalled,
    /// Closed for good.
    Closed,
}

/// Why a request to the coordinator failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupFailure {
    /// It answered with this code.
    Code(ErrorCode),
    /// It did not answer.
    Unreachable,
    /// It answered what this client cannot work with.
    Unusable(String),
    /// It does not accept this client: credentials or certificates are wrong.
    Refused(Refusal),
}

impl GroupFailure {
    /// What it means that a request got no answer.
    pub(crate) fn unanswered(error: &Error) -> Self {
        match error {
            Error::Authentication { .. } | Error::Tls { .. } => {
                Self::Refused(Refusal(error.clone()))
            }
            // Nobody may tell this client who the coordinator is.
            Error::Broker { code, .. } if !code.is_retriable() => Self::Code(*code),
            _ => Self::Unreachable,
        }
    }
}

/// Why a client is not accepted.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(pub(crate) Error);

impl PartialEq for Refusal {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl Eq for Refusal {}

/// Something the application must hear of through `poll`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It did not poll; this member has left and joins when it polls again.
    PollOverdue,
    /// No word from the coordinator for a whole session; partitions are lost.
    SessionExpired,
    /// This consumer can no longer be a member.
    Fatal(GroupFailure),
}
