//! One member of a group.
//!
//! Owns its subscription, its assignment, its session deadline, and the tickets of
//! the requests it waits for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Ticket;

/// A new member whose first join is not answered for so long is given up; its
/// client is gone (Apache Kafka uses the same five minutes).
const FIRST_JOIN_MAX: Duration = Duration::from_secs(5 * 60);

/// A way to assign partitions that a member supports, with its subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: Arc<str>,
    pub(crate) metadata: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// Most preferred first.
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// Its first join has not been answered yet.
    pub(super) is_new: bool,
    pub(super) join: Option<Ticket>,
    pub(super) sync: Option<Ticket>,
    /// It has asked for its assignment in this generation.
    pub(super) has_synced: bool,
    pub(super) expires: Instant,
}

impl Member {
    pub(crate) fn new(id: Arc<str>, now: Instant) -> Self {
        Member {
            id,
            instance_id: None,
            client_id: Arc::from(""),
            client_host: Arc::from(""),
            session_timeout: Duration::ZERO,
            rebalance_timeout: Duration::ZERO,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            is_new: true,
            join: None,
            sync: None,
            has_synced: false,
            expires: now + FIRST_JOIN_MAX,
        }
    }

    /// A sign of life: the session starts anew.
    pub(super) fn renew(&mut self, now: Instant) {
        if !self.is_new {
            self.expires = now + self.session_timeout;
        }
    }

    /// The session is dated from the answer to its first join on.
    pub(super) fn settle(&mut self, now: Instant) {
        self.is_new = false;
        self.renew(now);
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        // Whoever waits for us cannot send heartbeats and is not dead for it.
        let waits = !self.is_new && (self.join.is_some() || self.sync.is_some());
        !waits && self.expires <= now
    }

    /// When to look at it again; `None` while it waits for us.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let waits = !self.is_new && (self.join.is_some() || self.sync.is_some());
        (!waits).then_some(self.expires)
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|own| *own.name == *protocol)
    }

    /// The subscription that goes with a protocol.
    pub(crate) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let found = self
            .protocols
            .iter()
            .find(|own| Some(&*own.name) == protocol);
        found.map_or_else(Bytes::new, |own| own.metadata.clone())
    }
}
