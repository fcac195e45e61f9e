//! Which replica of a partition is read, when it is not the leader (KIP-392).
//!
//! Owns what the leader recommends, for how long that counts, and the rest from followers after
//! one has failed; must not know requests or positions. `now` is handed in.

use std::time::Duration;

use tokio::time::Instant;

use crate::topology::NodeId;

/// After a follower failed, the leader is read for this long: it would go on recommending one that
/// it can reach and we cannot.
const FOLLOWERS_LEFT_ALONE: Duration = Duration::from_secs(10);

/// Where to read one partition.
#[derive(Debug, Default)]
pub(crate) struct ReadReplica {
    /// What the leader recommends, and until when.
    recommended: Option<(NodeId, Instant)>,
    leader_until: Option<Instant>,
}

impl ReadReplica {
    /// The follower to read, if there is one.
    pub(crate) fn current(&self, now: Instant) -> Option<NodeId> {
        let (node, until) = self.recommended?;
        (now < until).then_some(node)
    }

    /// Whether the leader is to be asked for records, not for a recommendation.
    pub(crate) fn wants_leader(&self, now: Instant) -> bool {
        self.leader_until.is_some_and(|until| now < until)
    }

    /// The leader recommends a follower. It counts for `max_age`, as metadata does.
    pub(crate) fn recommend(&mut self, node: NodeId, now: Instant, max_age: Duration) {
        self.recommended = Some((node, now + max_age));
    }

    /// The follower is away, or lacks what was asked for. Returns whether it was read.
    pub(crate) fn on_failed(&mut self, node: NodeId, now: Instant) -> bool {
        let was_read = self.recommended.is_some_and(|(current, _)| current == node);
        if was_read {
            self.recommended = None;
            self.leader_until = Some(now + FOLLOWERS_LEFT_ALONE);
        }
        was_read
    }

    /// Another leader recommends anew.
    pub(crate) fn on_new_leader(&mut self) {
        *self = Self::default();
    }

    /// When another replica is to be read.
    pub(crate) fn ends_at(&self) -> Option<Instant> {
        self.recommended.map(|(_, until)| until)
    }
}

#[cfg(test)]
mod tests;
