//! A member of either protocol, behind one interface.
//!
//! Owns nothing but the choice between the state machines.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::action::{Action, Identity, Subscribed};
use super::classic::ClassicMember;
use super::consumer_protocol::ConsumerProtocolMember;

/// The state machine of one member.
pub(super) enum Member {
    /// Members assign.
    Classic(Box<ClassicMember>),
    /// The coordinator assigns.
    Consumer(Box<ConsumerProtocolMember>),
}

/// Calls what both have.
macro_rules! either {
    ($self:ident, $member:ident => $call:expr) => {
        match $self {
            Member::Classic($member) => $call,
            Member::Consumer($member) => $call,
        }
    };
}

impl Member {
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        either!(self, member => member.take_actions())
    }

    pub(super) fn identity(&self) -> &Identity {
        either!(self, member => member.identity())
    }

    pub(super) fn owned_count(&self) -> usize {
        match self {
            Member::Classic(member) => member.owned().len(),
            Member::Consumer(member) => member.owned().count(),
        }
    }

    /// The topics of what it may consume.
    pub(super) fn owned_topics(&self) -> BTreeSet<Arc<str>> {
        match self {
            Member::Classic(member) => {
                let owned = member.owned().iter();
                owned.map(|one| Arc::clone(&one.topic)).collect()
            }
            Member::Consumer(member) => {
                let owned = member.owned();
                owned.map(|one| Arc::clone(&one.topic)).collect()
            }
        }
    }

    /// Whether it assigns for the others.
    pub(super) fn is_leader(&self) -> bool {
        match self {
            Member::Classic(member) => member.is_leader(),
            Member::Consumer(_) => false,
        }
    }

    pub(super) fn last_heard(&self) -> Instant {
        either!(self, member => member.last_heard())
    }

    pub(super) fn is_settled(&self) -> bool {
        either!(self, member => member.is_settled())
    }

    pub(super) fn is_stalled(&self) -> bool {
        either!(self, member => member.is_stalled())
    }

    pub(super) fn is_closed(&self) -> bool {
        either!(self, member => member.is_closed())
    }

    pub(super) fn is_over(&self) -> bool {
        either!(self, member => member.is_over())
    }

    pub(super) fn wake_at(&self) -> Option<Instant> {
        either!(self, member => member.wake_at())
    }

    pub(super) fn tick(&mut self, now: Instant) {
        either!(self, member => member.tick(now));
    }

    /// Subscribes to exactly this. A pattern is the coordinator's business; a
    /// classic member is told which topics fit.
    pub(super) fn subscribe(&mut self, subscribed: Subscribed, now: Instant) {
        match self {
            Member::Classic(member) => member.subscribe(subscribed.topics, now),
            Member::Consumer(member) => member.subscribe(subscribed, now),
        }
    }

    pub(super) fn close(&mut self, now: Instant) {
        match self {
            Member::Classic(member) => member.close(),
            Member::Consumer(member) => member.close(now),
        }
    }

    pub(super) fn on_poll_overdue(&mut self, now: Instant) -> bool {
        match self {
            Member::Classic(member) => member.on_poll_overdue(),
            Member::Consumer(member) => member.on_poll_overdue(now),
        }
    }

    pub(super) fn on_polled(&mut self, now: Instant) {
        either!(self, member => member.on_polled(now));
    }

    pub(super) fn on_given_up(&mut self, now: Instant) {
        either!(self, member => member.on_given_up(now));
    }

    pub(super) fn on_commit_refused(&mut self, now: Instant) {
        either!(self, member => member.on_commit_refused(now));
    }

    /// The assignment is based on something that has changed; only a classic leader
    /// has to do with that.
    pub(super) fn request_rejoin(&mut self) {
        if let Member::Classic(member) = self {
            member.request_rejoin();
        }
    }
}
