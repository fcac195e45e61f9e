//! Which replica of its partition a position reads (KIP-392).
//!
//! Owns when the leader, its recommendation, or the leader again is read; for how long is
//! `replica`'s.

use std::time::Duration;

use tokio::time::Instant;

use super::Position;
use crate::topology::NodeId;

impl Position {
    /// The broker to fetch from: the leader, or the replica it recommends.
    pub(crate) fn read_replica(&self, now: Instant) -> Option<NodeId> {
        let leader = self.leader?;
        Some(self.replica.current(now).unwrap_or(leader))
    }

    /// The leader recommends to read a replica, which counts for `max_age`. Returns whether that
    /// is news.
    pub(crate) fn on_recommended(
        &mut self,
        leader: NodeId,
        replica: NodeId,
        now: Instant,
        max_age: Duration,
    ) -> bool {
        let is_news = self.leader == Some(leader) && leader != replica;
        if is_news {
            self.replica.recommend(replica, now, max_age);
        }
        is_news
    }

    /// A broker is away. Returns whether it was read in place of the leader.
    pub(crate) fn on_replica_failed(&mut self, node: NodeId, now: Instant) -> bool {
        self.replica.on_failed(node, now)
    }

    /// When another replica is to be fetched from.
    pub(crate) fn replica_ends_at(&self) -> Option<Instant> {
        self.replica.ends_at()
    }
}
