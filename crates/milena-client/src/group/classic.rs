//! A member of a classic group: join, sync, heartbeat, rejoin, leave.
//!
//! Owns the protocol's decisions and its timing; must not know sockets,
//! clocks, positions or listeners. Events and the time go in, [`Action`]s come
//! out; whoever drives it carries them out and reports back. Failures and what
//! they mean are `failure`'s.

mod failure;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::action::{Action, Destination, Identity, JoinCall, Joined, SyncCall, Trouble};
use super::assignor::{Assignments, Assignor, PreviousAssignment, RebalanceProtocol};
use crate::backoff::Backoff;
use crate::topology::TopicPartition;

/// What of the configuration the member's decisions depend on.
#[derive(Debug, Clone)]
pub(crate) struct MemberConfig {
    pub(crate) is_static: bool,
    pub(crate) assignors: Vec<Assignor>,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Subscribed to nothing.
    Idle,
    /// Will join at this time.
    Waiting { until: Instant },
    /// Partitions are being given up; `jobs` of them are under way.
    GivingUp { jobs: u32, then: Next },
    /// JoinGroup is under way.
    Joining,
    /// This member leads and its assignor is at work.
    Assigning,
    /// SyncGroup is under way.
    Syncing { skips_assignment: bool },
    /// Has an assignment and heartbeats.
    Stable,
    /// LeaveGroup is under way.
    Leaving(Destination),
    /// Left because the application does not poll.
    Stalled,
    /// Cannot be a member any more.
    Dead,
    /// Closed by the application.
    Closed,
}

/// What follows once partitions are given up.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    Join,
    /// Join again, but not at once.
    JoinAfter(Instant),
    /// Go on with the answer to JoinGroup.
    Sync(Box<Joined>),
    /// Take over these, then join again so that others get the revoked ones.
    Settle(BTreeSet<TopicPartition>),
    Leave(Destination),
}

/// The state of one member.
#[derive(Debug)]
pub(crate) struct ClassicMember {
    config: MemberConfig,
    phase: Phase,
    identity: Identity,
    topics: BTreeSet<Arc<str>>,
    /// What it may consume; partitions being given up are no longer in it.
    owned: BTreeSet<TopicPartition>,
    /// The last assignment, whatever became of it since.
    previous: Option<PreviousAssignment>,
    /// As of the assignor chosen last.
    protocol: RebalanceProtocol,
    is_leader: bool,
    /// Another rebalance is needed as soon as this one is over.
    wants_rejoin: bool,
    is_heartbeat_sent: bool,
    next_heartbeat: Instant,
    last_heard: Instant,
    backoff: Backoff,
    actions: Vec<Action>,
}

impl ClassicMember {
    pub(crate) fn new(config: MemberConfig, now: Instant) -> Self {
        let backoff = Backoff::new(config.retry_backoff, config.retry_backoff_max);
        Self {
            config,
            phase: Phase::Idle,
            identity: Identity::default(),
            topics: BTreeSet::new(),
            owned: BTreeSet::new(),
            previous: None,
            protocol: RebalanceProtocol::Cooperative,
            is_leader: false,
            wants_rejoin: false,
            is_heartbeat_sent: false,
            next_heartbeat: now,
            last_heard: now,
            backoff,
            actions: Vec::new(),
        }
    }

    /// What to do now, in this order.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn owned(&self) -> &BTreeSet<TopicPartition> {
        &self.owned
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.is_leader
    }

    pub(crate) fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// Whether offsets can be committed under the current identity.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Stable | Phase::GivingUp { .. }) && self.identity.is_member()
    }

    /// Whether the member takes part, or is on its way to.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(
            self.phase,
            Phase::Idle | Phase::Stalled | Phase::Dead | Phase::Closed | Phase::Leaving(_)
        )
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.phase == Phase::Stalled
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether it cannot become a member any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Dead | Phase::Closed)
    }

    /// When `tick` has something to do.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let join_at = match self.phase {
            Phase::Waiting { until } => Some(until),
            _ => None,
        };
        let heartbeat_at =
            (self.heartbeats() && !self.is_heartbeat_sent).then_some(self.next_heartbeat);
        let session_end = self.may_expire().then(|| self.session_end());
        [join_at, heartbeat_at, session_end]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due at `now`.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.may_expire() && self.session_end() <= now {
            self.on_session_expired(now);
        }
        if matches!(self.phase, Phase::Waiting { until } if until <= now) {
            self.rejoin();
        }
        if self.heartbeats() && !self.is_heartbeat_sent && self.next_heartbeat <= now {
            self.is_heartbeat_sent = true;
            self.next_heartbeat = now + self.config.heartbeat_interval;
            self.actions.push(Action::Heartbeat(self.identity.clone()));
        }
    }

    /// Subscribes to exactly `topics`; none at all leaves the group.
    pub(crate) fn subscribe(&mut self, topics: BTreeSet<Arc<str>>, now: Instant) {
        if topics == self.topics {
            return;
        }
        self.topics = topics;
        if self.topics.is_empty() {
            if self.is_alive() {
                self.leave(Destination::Idle);
            }
            return;
        }
        match self.phase {
            Phase::Idle => self.phase = Phase::Waiting { until: now },
            Phase::Leaving(Destination::Idle) => self.wants_rejoin = true,
            _ => self.request_rejoin(),
        }
    }

    /// Joins again, because what the assignment was based on has changed.
    pub(crate) fn request_rejoin(&mut self) {
        if self.phase == Phase::Stable {
            self.rejoin();
        } else {
            self.wants_rejoin = true;
        }
    }

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
        match &mut self.phase {
            Phase::Stalled => self.phase = Phase::Waiting { until: now },
            // It does so while the member is on its way out, and is not heard again.
            Phase::Leaving(destination)
            | Phase::GivingUp {
                then: Next::Leave(destination),
                ..
            } if *destination == Destination::Stalled => *destination = Destination::Idle,
            _ => {}
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

    /// JoinGroup was answered.
    pub(crate) fn on_joined(&mut self, joined: Joined, now: Instant) {
        if self.phase != Phase::Joining {
            return;
        }
        self.backoff.reset();
        self.last_heard = now;
        self.next_heartbeat = now + self.config.heartbeat_interval;
        self.identity = joined.identity.clone();
        self.is_leader = joined.is_leader;
        self.protocol = joined.assignor.protocol();
        if self.protocol == RebalanceProtocol::Eager && !self.owned.is_empty() {
            // Joined as a cooperative member, but a member that only knows an
            // eager assignor made the group fall back. Its leader may hand our
            // partitions on with the assignment: be out of them before.
            self.revoke_owned(Next::Sync(Box::new(joined)));
            return;
        }
        self.sync_or_assign(joined, false);
    }

    /// The assignor of this member, the leader, is done.
    pub(crate) fn on_assigned(&mut self, assignor: Assignor, assignments: Assignments) {
        if self.phase == Phase::Assigning {
            self.sync(assignor, assignments, false, false);
        }
    }

    /// SyncGroup was answered with `assigned`.
    pub(crate) fn on_synced(&mut self, assigned: Vec<TopicPartition>, now: Instant) {
        let Phase::Syncing { skips_assignment } = self.phase else {
            return;
        };
        self.backoff.reset();
        self.last_heard = now;
        self.next_heartbeat = now + self.config.heartbeat_interval;
        let mut assigned: BTreeSet<TopicPartition> = assigned.into_iter().collect();
        let assigned_count = assigned.len();
        assigned.retain(|partition| self.topics.contains(&partition.topic));
        // The subscription has changed since the leader looked at it.
        self.wants_rejoin |= assigned.len() < assigned_count;
        // A static leader that came back gets its old assignment unasked, and
        // nobody but itself can notice that it subscribes to more now
        // (KIP-814, PITFALLS 17).
        let is_covered =
            |topic: &Arc<str>| assigned.iter().any(|partition| partition.topic == *topic);
        self.wants_rejoin |= skips_assignment && !self.topics.iter().all(is_covered);
        let revoked: Vec<TopicPartition> = self.owned.difference(&assigned).cloned().collect();
        if revoked.is_empty() {
            self.settle(assigned);
            return;
        }
        self.owned.retain(|partition| assigned.contains(partition));
        self.wants_rejoin = true;
        self.give_up(Action::Revoke(revoked), Next::Settle(assigned));
    }

    /// Partitions named in a `Revoke` or `Lose` are given up.
    pub(crate) fn on_given_up(&mut self, now: Instant) {
        let Phase::GivingUp { jobs, .. } = &mut self.phase else {
            return;
        };
        *jobs = jobs.saturating_sub(1);
        if *jobs > 0 {
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Waiting { until: now }) {
            Phase::GivingUp { then, .. } => self.go_on(then, now),
            other => self.phase = other,
        }
    }

    /// LeaveGroup was answered, or got no answer: it is the same to us.
    pub(crate) fn on_left(&mut self, now: Instant) {
        if let Phase::Leaving(destination) = self.phase {
            self.arrive(destination, now);
        }
    }

    fn go_on(&mut self, then: Next, now: Instant) {
        match then {
            Next::Join => self.rejoin(),
            Next::JoinAfter(until) => self.phase = Phase::Waiting { until },
            Next::Sync(joined) => self.sync_or_assign(*joined, true),
            Next::Settle(assigned) => self.settle(assigned),
            Next::Leave(destination) => self.send_leave(destination, now),
        }
    }

    fn heartbeats(&self) -> bool {
        let is_in_group = match &self.phase {
            Phase::Stable | Phase::Assigning => true,
            Phase::GivingUp { then, .. } => !matches!(then, Next::Leave(Destination::Stalled)),
            _ => false,
        };
        is_in_group && self.identity.is_member()
    }

    /// Whether a silent coordinator means that the partitions are lost. While
    /// a join or sync waits, the coordinator keeps the member.
    fn may_expire(&self) -> bool {
        let depends_on_heartbeats = matches!(
            self.phase,
            Phase::Stable | Phase::Waiting { .. } | Phase::Assigning
        );
        depends_on_heartbeats && !self.owned.is_empty()
    }

    fn session_end(&self) -> Instant {
        self.last_heard + self.config.session_timeout
    }

    /// Starts a rebalance: gives up what must not be kept, then joins.
    fn rejoin(&mut self) {
        let to_revoke: Vec<TopicPartition> = match self.protocol {
            RebalanceProtocol::Eager => self.owned.iter().cloned().collect(),
            RebalanceProtocol::Cooperative => {
                let is_unwanted =
                    |partition: &&TopicPartition| !self.topics.contains(&partition.topic);
                self.owned.iter().filter(is_unwanted).cloned().collect()
            }
        };
        if to_revoke.is_empty() {
            self.join();
            return;
        }
        for partition in &to_revoke {
            self.owned.remove(partition);
        }
        self.give_up(Action::Revoke(to_revoke), Next::Join);
    }

    fn join(&mut self) {
        self.wants_rejoin = false;
        self.is_heartbeat_sent = false;
        self.phase = Phase::Joining;
        self.actions.push(Action::Join(JoinCall {
            identity: self.identity.clone(),
            topics: self.topics.iter().cloned().collect(),
            owned: self.owned.iter().cloned().collect(),
            previous: self.previous.clone(),
            assignors: self.config.assignors.clone(),
        }));
    }

    fn sync_or_assign(&mut self, joined: Joined, has_revoked: bool) {
        if joined.is_leader && !joined.skips_assignment {
            self.wants_rejoin |= has_revoked;
            self.phase = Phase::Assigning;
            self.actions.push(Action::Assign {
                assignor: joined.assignor,
                members: joined.members,
            });
            return;
        }
        self.sync(
            joined.assignor,
            Assignments::new(),
            joined.skips_assignment,
            has_revoked,
        );
    }

    fn sync(
        &mut self,
        assignor: Assignor,
        assignments: Assignments,
        skips_assignment: bool,
        has_revoked: bool,
    ) {
        self.wants_rejoin |= has_revoked;
        self.phase = Phase::Syncing { skips_assignment };
        self.actions.push(Action::Sync(SyncCall {
            identity: self.identity.clone(),
            assignor,
            assignments,
        }));
    }

    fn settle(&mut self, assigned: BTreeSet<TopicPartition>) {
        let added: Vec<TopicPartition> = assigned.difference(&self.owned).cloned().collect();
        self.previous = Some(PreviousAssignment {
            partitions: assigned.iter().cloned().collect(),
            generation: Some(self.identity.generation),
        });
        self.owned = assigned;
        self.phase = Phase::Stable;
        self.actions.push(Action::Start(added));
        if self.wants_rejoin {
            self.rejoin();
        }
    }

    fn give_up(&mut self, action: Action, then: Next) {
        let jobs = match &self.phase {
            Phase::GivingUp { jobs, .. } => jobs + 1,
            _ => 1,
        };
        self.phase = Phase::GivingUp { jobs, then };
        self.actions.push(action);
    }

    fn revoke_owned(&mut self, then: Next) {
        let owned = std::mem::take(&mut self.owned);
        self.give_up(Action::Revoke(owned.into_iter().collect()), then);
    }

    /// Drops the partitions without a commit: they are somebody else's already.
    fn lose_owned(&mut self, then: Next) {
        let owned = std::mem::take(&mut self.owned);
        self.give_up(Action::Lose(owned.into_iter().collect()), then);
    }

    fn leave(&mut self, destination: Destination) {
        if let Phase::Leaving(current) = &mut self.phase {
            *current = destination;
            return;
        }
        self.wants_rejoin = false;
        self.revoke_owned(Next::Leave(destination));
    }

    /// Static members stay, so that they find their partitions after a
    /// restart; whoever never got an id has nothing to leave.
    fn send_leave(&mut self, destination: Destination, now: Instant) {
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

#[cfg(test)]
mod tests;
