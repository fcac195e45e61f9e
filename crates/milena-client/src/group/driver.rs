//! The task that carries out what a member decides.
//!
//! Owns the loop between the state machine, the coordinator, the jobs on
//! partitions and the application's commands. Heartbeats go on whatever the
//! application does; must not decide anything the state machine could.

mod leader;
mod pattern;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::GroupProtocol;
use super::action::{Action, Beat, GroupFailure, Identity, TopicNames, Trouble};
use super::assignor::{Assignments, Assignor};
use super::beat::{BeatConfig, BeatRequests, name_topics};
use super::classic::{ClassicMember, MemberConfig};
use super::committer::{Committer, Membership};
use super::consumer_protocol::{ConsumerMemberConfig, ConsumerProtocolMember};
use super::handle::Command;
use super::jobs::{JobDone, Jobs};
use super::member::Member;
use super::requests::{GroupRequests, JoinOutcome, RequestConfig};
use crate::consumer::shared::Shared;
use crate::consumer::{OffsetQuery, Question};
use crate::error::Error;
use crate::topology::TopicPartition;
use crate::wire::ErrorCode;

/// How long a member whose consumer was dropped tries to leave.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(5);

/// The answer to something the member asked for.
enum Answer {
    Joined(JoinOutcome),
    Assigned {
        assignor: Assignor,
        /// None when metadata could not be had.
        outcome: Option<(Assignments, BTreeMap<Arc<str>, i32>)>,
    },
    Synced(Result<Vec<TopicPartition>, GroupFailure>),
    Heartbeat(Identity, Result<(), GroupFailure>),
    Beat(u64, Result<Beat, GroupFailure>),
    Named(TopicNames),
    Left,
}

/// Drives one member.
pub(super) struct Driver {
    member: Member,
    shared: Arc<Shared>,
    committer: Committer,
    requests: GroupRequests,
    beats: BeatRequests,
    memberships: watch::Sender<Membership>,
    commands: mpsc::Receiver<Command>,
    jobs: Jobs,
    /// Requests under way, each with the round it belongs to.
    calls: FuturesUnordered<BoxFuture<'static, (u64, Answer)>>,
    /// Counts joins: answers from earlier rounds are dropped.
    round: u64,
    /// Topics and partition counts the leader's last assignment is based on.
    watched: BTreeMap<Arc<str>, i32>,
    /// When to look again for watched topics that do not exist yet.
    look_again_at: Option<Instant>,
    /// The pattern that a classic member subscribes to.
    pattern: Option<pattern::PatternWatch>,
    /// Topics of what the member owns, which metadata keeps up to date.
    tracked: BTreeSet<Arc<str>>,
    last_poll: Instant,
    closing: Option<oneshot::Sender<Result<(), Error>>>,
    last_commit: Result<(), Error>,
    orphaned_until: Option<Instant>,
}

impl Driver {
    pub(super) fn new(
        committer: Committer,
        memberships: watch::Sender<Membership>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let shared = Arc::clone(&committer.shared);
        let config = &shared.config;
        let now = Instant::now();
        let member = match config.group_protocol {
            GroupProtocol::Classic => Member::Classic(Box::new(classic_member(&shared, now))),
            GroupProtocol::Consumer => Member::Consumer(Box::new(consumer_member(&shared, now))),
        };
        let request_config = RequestConfig {
            rack: Arc::clone(&config.client_rack),
            group_instance_id: config.group_instance_id.clone(),
            session_timeout: config.session_timeout,
            rebalance_timeout: config.rebalance_timeout,
        };
        let beat_config = BeatConfig {
            rack: Arc::clone(&config.client_rack),
            group_instance_id: config.group_instance_id.clone(),
            remote_assignor: config.group_remote_assignor.clone(),
            rebalance_timeout: config.rebalance_timeout,
            session_timeout: config.session_timeout,
        };
        Self {
            member,
            beats: BeatRequests::new(Arc::clone(&committer.coordinator), beat_config),
            requests: GroupRequests::new(Arc::clone(&committer.coordinator), request_config),
            jobs: Jobs::new(committer.clone()),
            shared,
            committer,
            memberships,
            commands,
            calls: FuturesUnordered::new(),
            round: 0,
            watched: BTreeMap::new(),
            look_again_at: None,
            pattern: None,
            tracked: BTreeSet::new(),
            last_poll: now,
            closing: None,
            last_commit: Ok(()),
            orphaned_until: None,
        }
    }

    /// Runs until the consumer is closed or dropped.
    pub(super) async fn run(mut self) {
        let refused = Arc::clone(&self.committer.refused);
        let shared = Arc::clone(&self.shared);
        let mut metadata = shared.client.metadata().subscribe();
        loop {
            self.carry_out();
            self.publish();
            if self.is_over() {
                break;
            }
            let wake_at = self.wake_at();
            tokio::select! {
                command = self.commands.recv(), if self.orphaned_until.is_none() => {
                    self.on_command(command);
                }
                Some((round, answer)) = self.calls.next(), if !self.calls.is_empty() => {
                    if round == self.round {
                        self.on_answer(answer);
                    }
                }
                done = self.jobs.next_done() => self.on_job_done(done),
                topics = pattern::next_listing(&mut self.pattern) => {
                    self.on_listing(topics);
                }
                Ok(()) = metadata.changed() => self.check_watched(),
                () = refused.notified() => self.member.on_commit_refused(Instant::now()),
                () = shared.polled_again.notified() => {
                    self.last_poll = Instant::now();
                    self.member.on_polled(self.last_poll);
                }
                () = tokio::time::sleep_until(wake_at) => {}
            }
            let now = Instant::now();
            self.check_polls(now);
            self.look_for_missing(now);
            self.member.tick(now);
        }
        self.unwatch();
        self.track(BTreeSet::new());
        if let Some(closing) = self.closing.take() {
            let _ = closing.send(self.last_commit);
        }
    }

    fn is_over(&self) -> bool {
        let is_cut_off = self
            .orphaned_until
            .is_some_and(|until| until <= Instant::now());
        is_cut_off || (self.member.is_closed() && self.jobs.is_idle())
    }

    fn wake_at(&self) -> Instant {
        let config = &self.shared.config;
        let poll_check = config.heartbeat_interval.min(config.rebalance_timeout / 4);
        let mut wake_at = Instant::now() + poll_check;
        let others = [
            self.member.wake_at(),
            self.orphaned_until,
            self.look_again_at,
        ];
        for at in others.into_iter().flatten() {
            wake_at = wake_at.min(at);
        }
        wake_at
    }

    fn on_command(&mut self, command: Option<Command>) {
        let now = Instant::now();
        match command {
            Some(Command::Subscribe(subscribed)) => {
                self.last_poll = now;
                self.subscribe(subscribed, now);
            }
            Some(Command::Close(closing)) => {
                self.closing = Some(closing);
                self.pattern = None;
                self.member.close(now);
            }
            None => {
                self.orphaned_until = Some(now + ORPHAN_TIMEOUT);
                self.jobs.orphan();
                self.pattern = None;
                self.member.close(now);
            }
        }
    }

    fn on_answer(&mut self, answer: Answer) {
        let now = Instant::now();
        match &mut self.member {
            Member::Classic(_) => self.on_classic_answer(answer, now),
            Member::Consumer(member) => match answer {
                Answer::Beat(number, Ok(beat)) => member.on_beat(number, beat, now),
                Answer::Beat(number, Err(failure)) => member.on_beat_failed(number, failure, now),
                Answer::Named(names) => member.on_names(names, now),
                Answer::Left => member.on_left(now),
                _ => {}
            },
        }
    }

    fn on_classic_answer(&mut self, answer: Answer, now: Instant) {
        let Member::Classic(member) = &mut self.member else {
            return;
        };
        match answer {
            Answer::Joined(JoinOutcome::Joined(joined)) => member.on_joined(joined, now),
            Answer::Joined(JoinOutcome::MemberIdRequired(id)) => member.on_member_id_required(id),
            Answer::Joined(JoinOutcome::Failed(failure)) => member.on_join_failed(failure, now),
            Answer::Assigned {
                assignor,
                outcome: Some((assignments, watched)),
            } => {
                member.on_assigned(assignor, assignments);
                self.watch(watched);
            }
            Answer::Assigned { outcome: None, .. } => member.on_assign_failed(now),
            Answer::Synced(Ok(partitions)) => member.on_synced(partitions, now),
            Answer::Synced(Err(failure)) => member.on_sync_failed(failure, now),
            Answer::Heartbeat(identity, result) => member.on_heartbeat(&identity, result, now),
            Answer::Left => member.on_left(now),
            Answer::Beat(..) | Answer::Named(_) => {}
        }
    }

    fn on_job_done(&mut self, done: JobDone) {
        if let JobDone::GivenUp(result) = done {
            self.last_commit = result;
            self.member.on_given_up(Instant::now());
            self.track(self.member.owned_topics());
        }
    }

    /// Carries out what the member wants done.
    fn carry_out(&mut self) {
        for action in self.member.take_actions() {
            let requests = self.requests.clone();
            match action {
                Action::Join(call) => {
                    self.round += 1;
                    self.call(async move { Answer::Joined(requests.join(call).await) });
                }
                Action::Assign { assignor, members } => {
                    let shared = Arc::clone(&self.shared);
                    self.call(async move {
                        let outcome = leader::assign(&shared, assignor, &members).await;
                        Answer::Assigned { assignor, outcome }
                    });
                }
                Action::Sync(call) => {
                    self.call(async move { Answer::Synced(requests.sync(call).await) });
                }
                Action::Heartbeat(identity) => self.call(async move {
                    let result = requests.heartbeat(&identity).await;
                    Answer::Heartbeat(identity, result)
                }),
                Action::Beat(call) => {
                    let beats = self.beats.clone();
                    self.call(async move { Answer::Beat(call.number, beats.beat(call).await) });
                }
                Action::NameTopics(ids) => {
                    let client = self.shared.client.clone();
                    self.call(async move { Answer::Named(name_topics(&client, ids).await) });
                }
                Action::Leave(identity) => self.leave(identity),
                Action::Revoke(partitions) => self.jobs.revoke(partitions),
                Action::Lose(partitions) => self.jobs.lose(partitions),
                Action::Start(partitions) => self.start(partitions, Question::Committed),
                Action::StartAnew(partitions) => {
                    self.start(partitions, Question::Offset(OffsetQuery::Earliest));
                }
                Action::FindCoordinator => self.committer.coordinator.forget(),
                Action::Report(trouble) => self.report(trouble),
            }
        }
    }

    fn leave(&mut self, identity: Identity) {
        let (requests, beats) = (self.requests.clone(), self.beats.clone());
        let is_classic = matches!(self.member, Member::Classic(_));
        self.call(async move {
            let left = match is_classic {
                true => requests.leave(&identity).await,
                false => beats.leave(&identity).await,
            };
            if let Err(failure) = left {
                tracing::debug!(event = "group_leave_failed", ?failure);
            }
            Answer::Left
        });
    }

    fn call(&mut self, answer: impl Future<Output = Answer> + Send + 'static) {
        let round = self.round;
        self.calls
            .push(Box::pin(async move { (round, answer.await) }));
    }

    fn start(&mut self, partitions: Vec<TopicPartition>, question: Question) {
        let identity = self.member.identity();
        tracing::info!(
            event = "group_joined",
            group = %self.committer.coordinator.group_id(),
            generation = identity.generation,
            member_id = identity.member_id,
            is_leader = self.member.is_leader(),
            partitions = self.member.owned_count(),
            added = partitions.len(),
        );
        self.track(self.member.owned_topics());
        self.jobs.start(partitions, question);
        if !self.member.is_leader() {
            self.unwatch();
        }
    }

    fn report(&self, trouble: Trouble) {
        let group_id = self.committer.coordinator.group_id();
        tracing::warn!(event = "group_trouble", group = %group_id, ?trouble);
        let lost = |reason: String| Error::PartitionsLost {
            group_id: group_id.to_string(),
            reason,
        };
        let config = &self.shared.config;
        match trouble {
            Trouble::PollOverdue => self.shared.report(lost(format!(
                "no poll for max.poll.interval.ms = {} ms; the member joins again with this poll",
                config.rebalance_timeout.as_millis(),
            ))),
            Trouble::SessionExpired => self.shared.report(lost(format!(
                "no word from the coordinator for session.timeout.ms = {} ms",
                config.session_timeout.as_millis(),
            ))),
            Trouble::Fatal(failure) => self.shared.fail(fatal_error(group_id, failure)),
        }
    }

    /// Tells committers and the handle where the member stands.
    fn publish(&self) {
        let membership = Membership {
            identity: self.member.identity().clone(),
            is_settled: self.member.is_settled(),
            is_over: self.member.is_over(),
            is_stalled: self.member.is_stalled(),
            last_heard: self.member.last_heard(),
        };
        self.shared.memberships.set_current(&membership.identity);
        self.memberships.send_if_modified(|current| {
            let has_changed = *current != membership;
            *current = membership;
            has_changed
        });
    }

    fn check_polls(&mut self, now: Instant) {
        if self.shared.take_polled() {
            self.last_poll = now;
        }
        let is_overdue = now - self.last_poll >= self.shared.config.rebalance_timeout;
        if is_overdue && self.member.on_poll_overdue(now) {
            self.shared.set_stalled();
        }
    }

    /// Has metadata keep these topics up to date instead of the former ones.
    fn track(&mut self, topics: BTreeSet<Arc<str>>) {
        if topics == self.tracked {
            return;
        }
        let metadata = self.shared.client.metadata();
        metadata.track(topics.iter().cloned());
        metadata.untrack(self.tracked.iter().map(AsRef::as_ref));
        self.tracked = topics;
    }
}

fn classic_member(shared: &Shared, now: Instant) -> ClassicMember {
    let config = &shared.config;
    let member_config = MemberConfig {
        is_static: config.group_instance_id.is_some(),
        assignors: config.assignors.clone(),
        session_timeout: config.session_timeout,
        heartbeat_interval: config.heartbeat_interval,
        retry_backoff: shared.client.config().retry_backoff,
        retry_backoff_max: shared.client.config().retry_backoff_max,
    };
    ClassicMember::new(member_config, now)
}

fn consumer_member(shared: &Shared, now: Instant) -> ConsumerProtocolMember {
    let config = &shared.config;
    let member_config = ConsumerMemberConfig {
        is_static: config.group_instance_id.is_some(),
        session_timeout: config.session_timeout,
        heartbeat_interval: config.heartbeat_interval,
        retry_backoff: shared.client.config().retry_backoff,
        retry_backoff_max: shared.client.config().retry_backoff_max,
    };
    let member_id = uuid::Uuid::new_v4().to_string();
    ConsumerProtocolMember::new(member_config, member_id, now)
}

fn fatal_error(group_id: &str, failure: GroupFailure) -> Error {
    match failure {
        GroupFailure::Code(
            code @ (ErrorCode::FencedInstanceId
            | ErrorCode::UnreleasedInstanceId
            | ErrorCode::UnknownMemberId),
        ) => Error::MembershipLost {
            group_id: group_id.to_owned(),
            reason: code.message().to_owned(),
        },
        GroupFailure::Code(code) => Error::broker(code, format!("member of group {group_id:?}")),
        GroupFailure::Unusable(problem) => Error::protocol(problem),
        GroupFailure::Refused(refusal) => refusal.0,
        GroupFailure::Unreachable => Error::protocol("the coordinator cannot be reached"),
    }
}
