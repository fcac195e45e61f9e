//! A member of a group of the new protocol (KIP-848): heartbeats that join,
//! subscribe, acknowledge and leave; the coordinator assigns.
//!
//! Owns the protocol's decisions and its timing; must not know sockets, clocks,
//! positions or listeners. Events and the time go in, [`Action`]s come out, as
//! with `classic`. Failures and what they mean are `failure`'s, the way from
//! what the member has to what it shall have is `reconcile`'s.

mod failure;
mod reconcile;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::action::{
    Action, Beat, BeatCall, Destination, GENERATION_NONE, Identity, Subscribed, Trouble,
};
use crate::backoff::Backoff;
use crate::topology::TopicPartition;

/// The epoch that asks to be taken in.
const EPOCH_JOIN: i32 = 0;
/// The epoch that says goodbye.
const EPOCH_LEAVE: i32 = -1;
/// The epoch of a static member that will be back.
const EPOCH_LEAVE_FOR_NOW: i32 = -2;

/// A partition as the coordinator names it.
pub(crate) type PartitionId = (Uuid, i32);

/// What of the configuration the member's decisions depend on.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerMemberConfig {
    pub(crate) is_static: bool,
    /// After so long without an answer the partitions count as lost; how long a
    /// static member waits for its name to become free.
    pub(crate) session_timeout: Duration,
    /// Until the coordinator has said how often it wants to hear.
    pub(crate) heartbeat_interval: Duration,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Subscribed to nothing.
    Idle,
    /// Sends heartbeats: a member, or on its way to become one.
    Active,
    /// Everything is being dropped; then it joins, not before this time.
    Losing { join_at: Instant },
    /// Everything is being given up; then it leaves. Heartbeats go on until then.
    Releasing(Destination),
    /// The goodbye is under way.
    Leaving(Destination),
    /// Left because the application does not poll.
    Stalled,
    /// Cannot be a member any more.
    Dead,
    /// Closed by the application.
    Closed,
}

/// What the coordinator was told last, and answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Told {
    subscribed: Subscribed,
    owned: BTreeSet<PartitionId>,
}

/// The state of one member.
#[derive(Debug)]
pub(crate) struct ConsumerProtocolMember {
    config: ConsumerMemberConfig,
    phase: Phase,
    identity: Identity,
    subscribed: Subscribed,
    /// What the coordinator wants this member to have.
    target: BTreeSet<PartitionId>,
    /// What it may consume.
    owned: BTreeMap<PartitionId, TopicPartition>,
    /// What it is giving up; the coordinator takes it for owned until that is done.
    giving_up: BTreeSet<PartitionId>,
    /// Revocations and losses that are not done.
    jobs: u32,
    names: BTreeMap<Uuid, Arc<str>>,
    /// Names are being asked for.
    is_naming: bool,
    name_again_at: Option<Instant>,
    /// None when it may know less than we think: tell everything.
    told: Option<Told>,
    /// The coordinator was once told of a pattern.
    has_told_pattern: bool,
    /// What the heartbeat under way tells, with its number.
    in_flight: Option<(u64, Told)>,
    last_number: u64,
    next_heartbeat: Instant,
    heartbeat_interval: Duration,
    last_heard: Instant,
    /// Since when another member holds our instance id.
    unreleased_since: Option<Instant>,
    backoff: Backoff,
    actions: Vec<Action>,
}

impl ConsumerProtocolMember {
    /// A member under an id of its own, which it keeps for as long as it lives.
    pub(crate) fn new(config: ConsumerMemberConfig, member_id: String, now: Instant) -> Self {
        let backoff = Backoff::new(config.retry_backoff, config.retry_backoff_max);
        Self {
            heartbeat_interval: config.heartbeat_interval,
            config,
            phase: Phase::Idle,
            identity: Identity {
                member_id,
                generation: GENERATION_NONE,
            },
            subscribed: Subscribed::default(),
            target: BTreeSet::new(),
            owned: BTreeMap::new(),
            giving_up: BTreeSet::new(),
            jobs: 0,
            names: BTreeMap::new(),
            is_naming: false,
            name_again_at: None,
            told: None,
            has_told_pattern: false,
            in_flight: None,
            last_number: 0,
            next_heartbeat: now,
            last_heard: now,
            unreleased_since: None,
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

    /// What it may consume; partitions being given up are no longer in it.
    pub(crate) fn owned(&self) -> impl Iterator<Item = &TopicPartition> {
        self.owned.values()
    }

    pub(crate) fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// Whether offsets can be committed under the current identity.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Active | Phase::Releasing(_)) && self.identity.is_member()
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
        let heartbeat_at =
            (self.heartbeats() && self.in_flight.is_none()).then_some(self.next_heartbeat);
        let session_end = self.may_expire().then(|| self.session_end());
        let times = [heartbeat_at, session_end, self.name_again_at];
        times.into_iter().flatten().min()
    }

    /// Does what is due at `now`.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.may_expire() && self.session_end() <= now {
            self.on_session_expired(now);
        }
        if self.name_again_at.is_some_and(|at| at <= now) {
            self.name_again_at = None;
            self.ask_for_names();
        }
        if self.heartbeats() && self.in_flight.is_none() && self.next_heartbeat <= now {
            self.next_heartbeat = now + self.heartbeat_interval;
            self.send_heartbeat();
        }
    }

    /// Subscribes to exactly this; nothing at all leaves the group.
    pub(crate) fn subscribe(&mut self, subscribed: Subscribed, now: Instant) {
        if subscribed == self.subscribed {
            return;
        }
        self.subscribed = subscribed;
        match self.phase {
            Phase::Active if self.subscribed.is_empty() => self.release(Destination::Idle, now),
            Phase::Idle if !self.subscribed.is_empty() => self.activate(now),
            Phase::Active => self.next_heartbeat = now,
            // It is looked at when that is over.
            _ => {}
        }
    }

    /// The application has not polled for too long: give everything up, so that
    /// members that make progress get it. Returns whether it comes to that now.
    pub(crate) fn on_poll_overdue(&mut self, now: Instant) -> bool {
        if self.phase != Phase::Active {
            return false;
        }
        self.actions.push(Action::Report(Trouble::PollOverdue));
        self.lose_owned();
        self.phase = Phase::Releasing(Destination::Stalled);
        self.finish_jobs(now);
        true
    }

    /// The application polls again.
    pub(crate) fn on_polled(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Stalled => self.activate(now),
            // It does so while the member is on its way out, and is not heard again.
            Phase::Releasing(destination) | Phase::Leaving(destination)
                if *destination == Destination::Stalled =>
            {
                *destination = Destination::Idle;
            }
            _ => {}
        }
    }

    /// The application closes the consumer: give up, then leave.
    pub(crate) fn close(&mut self, now: Instant) {
        match self.phase {
            Phase::Idle | Phase::Stalled | Phase::Dead | Phase::Closed => {
                self.phase = Phase::Closed;
            }
            Phase::Leaving(_) => self.phase = Phase::Leaving(Destination::Closed),
            Phase::Active => self.release(Destination::Closed, now),
            Phase::Releasing(_) | Phase::Losing { .. } => {
                self.phase = Phase::Releasing(Destination::Closed);
                self.finish_jobs(now);
            }
        }
    }

    /// The heartbeat with this number was answered with a welcome.
    pub(crate) fn on_beat(&mut self, number: u64, beat: Beat, now: Instant) {
        let Some(told) = self.take_in_flight(number) else {
            return;
        };
        self.backoff.reset();
        self.last_heard = now;
        self.unreleased_since = None;
        self.told = Some(told);
        self.heartbeat_interval = beat.interval;
        self.next_heartbeat = now + beat.interval;
        if let Some(member_id) = beat.member_id {
            self.identity.member_id = member_id;
        }
        let is_new = !self.identity.is_member();
        self.identity.generation = beat.epoch;
        if let Some(target) = beat.assigned {
            self.target = target;
        }
        self.reconcile(is_new, now);
        if self.has_news() {
            self.next_heartbeat = now;
        }
    }

    /// Partitions named in a `Revoke` or `Lose` are given up.
    pub(crate) fn on_given_up(&mut self, now: Instant) {
        self.jobs = self.jobs.saturating_sub(1);
        self.finish_jobs(now);
    }

    /// The goodbye was answered, or got no answer: it is the same to us.
    pub(crate) fn on_left(&mut self, now: Instant) {
        if let Phase::Leaving(destination) = self.phase {
            self.arrive(destination, now);
        }
    }

    /// A commit was refused because of the epoch: ask for the current one.
    pub(crate) fn on_commit_refused(&mut self, now: Instant) {
        self.next_heartbeat = self.next_heartbeat.min(now);
    }

    fn heartbeats(&self) -> bool {
        match self.phase {
            Phase::Active => true,
            // A goodbye without an answer was not heard, a newcomer has nothing to say.
            Phase::Releasing(_) => self.identity.is_member(),
            _ => false,
        }
    }

    fn may_expire(&self) -> bool {
        self.phase == Phase::Active && !self.owned.is_empty()
    }

    fn session_end(&self) -> Instant {
        self.last_heard + self.config.session_timeout
    }

    fn activate(&mut self, now: Instant) {
        self.phase = Phase::Active;
        self.told = None;
        self.next_heartbeat = now;
        self.last_heard = now;
    }

    /// What the coordinator takes for ours.
    fn reported(&self) -> BTreeSet<PartitionId> {
        let owned = self.owned.keys().copied();
        owned.chain(self.giving_up.iter().copied()).collect()
    }

    /// Whether there is something that the coordinator was not told.
    fn has_news(&self) -> bool {
        let told = self.told.as_ref();
        told.is_none_or(|told| told.subscribed != self.subscribed || told.owned != self.reported())
    }

    fn send_heartbeat(&mut self) {
        let owned = self.reported();
        let is_joining = !self.identity.is_member();
        let told = self.told.as_ref().filter(|_| !is_joining);
        let tells_subscription = told.is_none_or(|told| told.subscribed != self.subscribed);
        let tells_owned = told.is_none_or(|told| told.owned != owned);
        self.last_number += 1;
        let call = BeatCall {
            number: self.last_number,
            member_id: self.identity.member_id.clone(),
            epoch: match is_joining {
                true => EPOCH_JOIN,
                false => self.identity.generation,
            },
            is_full: told.is_none(),
            subscribed: tells_subscription.then(|| self.subscribed.clone()),
            takes_pattern_back: self.has_told_pattern && self.subscribed.pattern.is_none(),
            owned: tells_owned.then(|| owned.clone()),
        };
        self.has_told_pattern |= self.subscribed.pattern.is_some();
        let told = Told {
            subscribed: self.subscribed.clone(),
            owned,
        };
        self.in_flight = Some((self.last_number, told));
        self.actions.push(Action::Beat(call));
    }

    /// What the heartbeat with this number told, if it is the one that counts.
    fn take_in_flight(&mut self, number: u64) -> Option<Told> {
        let (_, told) = self.in_flight.take_if(|(current, _)| *current == number)?;
        self.heartbeats().then_some(told)
    }

    fn release(&mut self, destination: Destination, now: Instant) {
        self.revoke_owned();
        self.phase = Phase::Releasing(destination);
        self.finish_jobs(now);
    }

    /// Goes on if nothing is being given up any more.
    fn finish_jobs(&mut self, now: Instant) {
        if self.jobs > 0 {
            return;
        }
        let has_given_up = !self.giving_up.is_empty();
        self.giving_up.clear();
        match self.phase {
            Phase::Active => {
                self.reconcile(false, now);
                if has_given_up {
                    // Others wait for these: say at once that they are free
                    // (PITFALLS 18).
                    self.next_heartbeat = now;
                }
            }
            Phase::Losing { join_at } => {
                self.activate(now);
                self.next_heartbeat = join_at;
            }
            Phase::Releasing(destination) => self.send_goodbye(destination, now),
            _ => {}
        }
    }

    fn send_goodbye(&mut self, destination: Destination, now: Instant) {
        self.in_flight = None;
        if !self.identity.is_member() {
            self.arrive(destination, now);
            return;
        }
        self.phase = Phase::Leaving(destination);
        self.actions.push(Action::Leave(Identity {
            member_id: self.identity.member_id.clone(),
            generation: match self.config.is_static {
                true => EPOCH_LEAVE_FOR_NOW,
                false => EPOCH_LEAVE,
            },
        }));
    }

    fn arrive(&mut self, destination: Destination, now: Instant) {
        self.forget_membership();
        match destination {
            Destination::Closed => self.phase = Phase::Closed,
            Destination::Stalled => self.phase = Phase::Stalled,
            Destination::Idle if self.subscribed.is_empty() => self.phase = Phase::Idle,
            Destination::Idle => self.activate(now),
        }
    }

    fn forget_membership(&mut self) {
        self.identity.generation = GENERATION_NONE;
        self.target.clear();
        self.told = None;
        self.in_flight = None;
        self.name_again_at = None;
    }
}

#[cfg(test)]
mod tests;
