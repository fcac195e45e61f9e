//! The task that carries out what a classic member decides.
//!
//! Owns the loop between the state machine, the coordinator, the jobs on
//! partitions and the application's commands. Heartbeats go on whatever the
//! application does; must not decide anything the state machine could.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::assignor::{Assignments, Assignor, MemberSubscription};
use super::classic::{Action, ClassicMember, GroupFailure, Identity, MemberConfig, Trouble};
use super::committer::{Committer, Membership};
use super::handle::Command;
use super::jobs::{JobDone, Jobs};
use super::requests::{GroupRequests, JoinOutcome, RequestConfig};
use crate::consumer::shared::Shared;
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
    Left,
}

/// Drives one member.
pub(super) struct Driver {
    member: ClassicMember,
    shared: Arc<Shared>,
    committer: Committer,
    requests: GroupRequests,
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
        let member_config = MemberConfig {
            is_static: config.group_instance_id.is_some(),
            assignors: config.assignors.clone(),
            session_timeout: config.session_timeout,
            heartbeat_interval: config.heartbeat_interval,
            retry_backoff: shared.client.config().retry_backoff,
            retry_backoff_max: shared.client.config().retry_backoff_max,
        };
        let request_config = RequestConfig {
            group_instance_id: config.group_instance_id.clone(),
            session_timeout: config.session_timeout,
            rebalance_timeout: config.rebalance_timeout,
        };
        Self {
            member: ClassicMember::new(member_config, Instant::now()),
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
            last_poll: Instant::now(),
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
            Some(Command::Subscribe(topics)) => {
                self.last_poll = now;
                self.member.subscribe(topics, now);
            }
            Some(Command::Close(closing)) => {
                self.closing = Some(closing);
                self.member.close();
            }
            None => {
                self.orphaned_until = Some(now + ORPHAN_TIMEOUT);
                self.jobs.orphan();
                self.member.close();
            }
        }
    }

    fn on_answer(&mut self, answer: Answer) {
        let now = Instant::now();
        let member = &mut self.member;
        match answer {
            Answer::Joined(JoinOutcome::Joined(joined)) => member.on_joined(joined, now),
            Answer::Joined(JoinOutcome::MemberIdRequired(id)) => member.on_member_id_required(id),
            Answer::Joined(JoinOutcome::Failed(failure)) => member.on_join_failed(failure, now),
            Answer::Assigned {
                assignor,
                outcome: Some((assignments, watched)),
            } => {
                self.watch(watched);
                self.member.on_assigned(assignor, assignments);
            }
            Answer::Assigned { outcome: None, .. } => member.on_assign_failed(now),
            Answer::Synced(Ok(partitions)) => member.on_synced(partitions, now),
            Answer::Synced(Err(failure)) => member.on_sync_failed(failure, now),
            Answer::Heartbeat(identity, result) => member.on_heartbeat(&identity, result, now),
            Answer::Left => member.on_left(now),
        }
    }

    fn on_job_done(&mut self, done: JobDone) {
        if let JobDone::GivenUp(result) = done {
            self.last_commit = result;
            self.member.on_given_up(Instant::now());
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
                        let outcome = assign(&shared, assignor, &members).await;
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
                Action::Leave(identity) => self.call(async move {
                    if let Err(failure) = requests.leave(&identity).await {
                        tracing::debug!(event = "group_leave_failed", ?failure);
                    }
                    Answer::Left
                }),
                Action::Revoke(partitions) => self.jobs.revoke(partitions),
                Action::Lose(partitions) => self.jobs.lose(partitions),
                Action::Start(partitions) => self.start(partitions),
                Action::FindCoordinator => self.committer.coordinator.forget(),
                Action::Report(trouble) => self.report(trouble),
            }
        }
    }

    fn call(&mut self, answer: impl Future<Output = Answer> + Send + 'static) {
        let round = self.round;
        self.calls
            .push(Box::pin(async move { (round, answer.await) }));
    }

    fn start(&mut self, partitions: Vec<TopicPartition>) {
        let identity = self.member.identity();
        tracing::info!(
            event = "group_joined",
            group = %self.committer.coordinator.group_id(),
            generation = identity.generation,
            member_id = identity.member_id,
            is_leader = self.member.is_leader(),
            partitions = self.member.owned().len(),
            added = partitions.len(),
        );
        self.jobs.start(partitions);
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
        if is_overdue && self.member.on_poll_overdue() {
            self.shared.set_stalled();
        }
    }

    /// The leader's assignment is based on these.
    fn watch(&mut self, watched: BTreeMap<Arc<str>, i32>) {
        self.shared.client.metadata().track(watched.keys().cloned());
        self.unwatch();
        self.watched = watched;
    }

    fn unwatch(&mut self) {
        let watched = std::mem::take(&mut self.watched);
        self.shared
            .client
            .metadata()
            .untrack(watched.keys().map(AsRef::as_ref));
    }

    /// Topics that do not exist yet are asked for more often than metadata is
    /// refreshed otherwise.
    fn look_for_missing(&mut self, now: Instant) {
        let is_missing = self.watched.values().any(|count| *count == 0);
        if !is_missing || !self.member.is_leader() {
            self.look_again_at = None;
        } else if self.look_again_at.is_none_or(|at| at <= now) {
            self.look_again_at = Some(now + self.shared.client.config().retry_backoff_max);
            self.shared.client.metadata().request_refresh();
        }
    }

    /// Partitions were added, or a topic has come or gone: assign anew.
    fn check_watched(&mut self) {
        if self.watched.is_empty() || !self.member.is_leader() {
            return;
        }
        let topics: BTreeSet<Arc<str>> = self.watched.keys().cloned().collect();
        let current = partition_counts(&self.shared, &topics);
        if current != self.watched {
            // Not again for the same change.
            self.watched = current;
            self.member.request_rejoin();
        }
    }
}

/// Runs the assignor on what there is to assign; none when the cluster does not
/// tell.
async fn assign(
    shared: &Shared,
    assignor: Assignor,
    members: &[MemberSubscription],
) -> Option<(Assignments, BTreeMap<Arc<str>, i32>)> {
    let topics: BTreeSet<Arc<str>> = members
        .iter()
        .flat_map(|member| member.topics.iter().cloned())
        .collect();
    let metadata = shared.client.metadata();
    metadata.track(topics.iter().cloned());
    let deadline = Instant::now() + shared.client.config().request_timeout;
    let refreshed = metadata.refreshed(deadline).await;
    let counts = partition_counts(shared, &topics);
    metadata.untrack(topics.iter().map(AsRef::as_ref));
    if let Err(error) = refreshed {
        tracing::warn!(event = "group_assign_failed", %error);
        return None;
    }
    let existing = counts.iter().filter(|(_, count)| **count > 0);
    let existing: BTreeMap<Arc<str>, i32> = existing
        .map(|(topic, count)| (Arc::clone(topic), *count))
        .collect();
    for topic in counts
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(topic, _)| topic)
    {
        tracing::warn!(event = "group_topic_unknown", %topic);
    }
    Some((assignor.assign(members, &existing), counts))
}

/// The number of partitions of each topic; 0 of those that do not exist.
fn partition_counts(shared: &Shared, topics: &BTreeSet<Arc<str>>) -> BTreeMap<Arc<str>, i32> {
    let snapshot = shared.client.metadata().snapshot();
    let count_of = |topic: &Arc<str>| {
        let partitions = snapshot
            .topic(topic)
            .map_or(0, |topic| topic.partitions.len());
        (
            Arc::clone(topic),
            i32::try_from(partitions).unwrap_or(i32::MAX),
        )
    };
    topics.iter().map(count_of).collect()
}

fn fatal_error(group_id: &str, failure: GroupFailure) -> Error {
    match failure {
        GroupFailure::Code(code @ (ErrorCode::FencedInstanceId | ErrorCode::UnknownMemberId)) => {
            Error::MembershipLost {
                group_id: group_id.to_owned(),
                reason: code.message().to_owned(),
            }
        }
        GroupFailure::Code(code) => Error::broker(code, format!("member of group {group_id:?}")),
        GroupFailure::Unusable(problem) => Error::protocol(problem),
        GroupFailure::Unreachable => Error::protocol("the coordinator cannot be reached"),
    }
}
