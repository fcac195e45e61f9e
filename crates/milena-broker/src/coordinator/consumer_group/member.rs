//! One member of a group of the new protocol.
//!
//! Owns what it subscribes to, where it is on the way to its target, and its
//! deadlines.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{PartitionSet, Pattern, ServerAssignor};

/// Where a member is on the way to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MemberState {
    /// It has the target of its epoch.
    #[default]
    Stable,
    /// It was told to give up partitions and has not said that it did.
    Unrevoked,
    /// It waits for partitions that others have not given up.
    Unreleased,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) rack_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    /// How long it may take to give up partitions.
    pub(crate) rebalance_timeout: Duration,
    pub(crate) names: BTreeSet<Arc<str>>,
    pub(crate) pattern: Option<Pattern>,
    /// The assignor it asks for, if it does.
    pub(crate) assignor: Option<ServerAssignor>,
    /// 0 before it is told of its first assignment; -2 while a static member is away.
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    /// What it may consume.
    pub(crate) assigned: PartitionSet,
    /// What it must give up, and nobody else may have before it did.
    pub(crate) revoking: PartitionSet,
    pub(super) session_ends: Instant,
    /// It is removed if it has not given up `revoking` by then.
    pub(super) revoke_by: Option<Instant>,
}

impl Member {
    pub(crate) fn new(id: Arc<str>, now: Instant) -> Self {
        Member {
            id,
            instance_id: None,
            rack_id: None,
            client_id: Arc::from(""),
            client_host: Arc::from(""),
            rebalance_timeout: Duration::ZERO,
            names: BTreeSet::new(),
            pattern: None,
            assignor: None,
            epoch: 0,
            previous_epoch: 0,
            state: MemberState::Stable,
            assigned: PartitionSet::new(),
            revoking: PartitionSet::new(),
            session_ends: now,
            revoke_by: None,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        let revoke_by = self.revoke_by.unwrap_or(self.session_ends);
        revoke_by.min(self.session_ends)
    }

    pub(super) fn subscribes_to(&self, topic: &str) -> bool {
        let matches = |pattern: &Pattern| pattern.matches(topic);
        self.names.contains(topic) || self.pattern.as_ref().is_some_and(matches)
    }

    /// Whether nobody else may have a partition because of this member.
    pub(super) fn holds(&self, partition: &(uuid::Uuid, i32)) -> bool {
        self.assigned.contains(partition) || self.revoking.contains(partition)
    }
}
