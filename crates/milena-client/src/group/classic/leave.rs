//! How a classic member leaves: closed, unsubscribed, or stalled.
//!
//! Owns what comes between the wish to leave and being gone.

use tokio::time::Instant;

use super::action::{Action, Identity, Trouble};
use super::{ClassicMember, Destination, Next, Phase};

impl ClassicMember {
    /// The application has not polled for too long: give everything up, so
    /// that members that make progress get it.
    ///
    /// Returns whether it comes to that now: a rebalance ends first.
    pub(crate) fn on_poll_overdue(&mut self) -> bool {
        let is_overdue = matches!(self.phase, Phase::Stable | Phase::Waiting { .. });
        if is_overdue {
            self.actions.push(Action::Report(Trouble::PollOverdue));
            self.lose_owned(Next::Leave(Destination::Stalled));
        }
        is_overdue
    }

    /// The application polls again.
    pub(crate) fn on_polled(&mut self, now: Instant) {
        if self.phase == Phase::Stalled {
            self.phase = Phase::Waiting { until: now };
        }
    }

    /// The application closes the consumer: give up, then leave.
    pub(crate) fn close(&mut self) {
        match self.phase {
            Phase::Idle | Phase::Stalled | Phase::Dead | Phase::Closed => {
                self.phase = Phase::Closed;
            }
            _ => self.leave(Destination::Closed),
        }
    }

    /// LeaveGroup was answered, or got no answer: it is the same to us.
    pub(crate) fn on_left(&mut self, now: Instant) {
        if let Phase::Leaving(destination) = self.phase {
            self.arrive(destination, now);
        }
    }

    /// Drops the partitions without a commit: they are somebody else's already.
    pub(super) fn lose_owned(&mut self, then: Next) {
        let owned = std::mem::take(&mut self.owned);
        self.give_up(Action::Lose(owned.into_iter().collect()), then);
    }

    pub(super) fn leave(&mut self, destination: Destination) {
        if let Phase::Leaving(current) = &mut self.phase {
            *current = destination;
            return;
        }
        self.wants_rejoin = false;
        self.revoke_owned(Next::Leave(destination));
    }

    /// Static members stay, so that they find their partitions after a
    /// restart; whoever never got an id has nothing to leave.
    pub(super) fn send_leave(&mut self, destination: Destination, now: Instant) {
        if self.config.is_static || self.identity.member_id.is_empty() {
            self.arrive(destination, now);
            return;
        }
        self.phase = Phase::Leaving(destination);
        self.actions.push(Action::Leave(self.identity.clone()));
    }

    fn arrive(&mut self, destination: Destination, now: Instant) {
        if !self.config.is_static {
            self.identity = Identity::default();
        }
        self.is_leader = false;
        self.is_heartbeat_sent = false;
        self.phase = match destination {
            Destination::Closed => Phase::Closed,
            Destination::Stalled => Phase::Stalled,
            Destination::Idle if self.topics.is_empty() => Phase::Idle,
            Destination::Idle => Phase::Waiting { until: now },
        };
    }
}
