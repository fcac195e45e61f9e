//! Committing offsets through rebalances.
//!
//! Owns the retries of a commit and what a rebalance in its middle means for
//! it; must not know positions beyond telling who keeps them what was stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::action::Identity;
use super::coordinator::GroupCoordinator;
use super::offsets::{self, CommittedOffsets, OffsetToCommit};
use super::spans;
use crate::backoff::Backoff;
use crate::consumer::shared::Shared;
use crate::error::Error;
use crate::spans::observed;
use crate::topology::TopicPartition;
use crate::wire::ErrorCode;

/// How long a commit is tried, rebalances in between included; Kafka's
/// `default.api.timeout.ms`.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a commit is tried for a topic that the coordinator does not have: a new one it hears of
/// soon, and one that was deleted must not hold up the rest.
const UNKNOWN_TOPIC_TIMEOUT: Duration = Duration::from_secs(1);

/// Where the member stands, as far as commits depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) identity: Identity,
    /// Between rebalances: the identity will not change by itself.
    pub(crate) is_settled: bool,
    /// Cannot become a member any more.
    pub(crate) is_over: bool,
    /// Left because the application did not poll.
    pub(crate) is_stalled: bool,
    /// When the coordinator last answered.
    pub(crate) last_heard: Instant,
}

impl Default for Membership {
    fn default() -> Self {
        Self {
            identity: Identity::default(),
            is_settled: false,
            is_over: false,
            is_stalled: false,
            last_heard: Instant::now(),
        }
    }
}

/// Commits offsets of one consumer.
#[derive(Clone)]
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) coordinator: Arc<GroupCoordinator>,
    pub(crate) membership: watch::Receiver<Membership>,
    /// A consumer that is assigned its partitions by hand commits as nobody in
    /// particular.
    pub(crate) is_subscribed: Arc<AtomicBool>,
    /// Wakes the member to find out where it stands.
    pub(crate) refused: Arc<Notify>,
}

/// What one attempt came to.
enum Attempt {
    Done,
    /// Try these again after a pause.
    Again(Vec<OffsetToCommit>, Error),
    /// Try these again once this rebalance is over, whatever generation that is.
    AfterRebalance(Vec<OffsetToCommit>, Error),
    /// Try these again in the next generation.
    NextGeneration(Vec<OffsetToCommit>, Error),
    /// Try these again under the epoch the coordinator has by now (KIP-848).
    NextEpoch(Vec<OffsetToCommit>, Error),
    Failed(Error),
}

/// The identity that a commit waits for.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// Any of a member.
    Any,
    /// One that no rebalance is about to replace.
    Settled,
    /// As that, and not the one that was refused.
    OtherThan(&'a Identity),
}

impl Committer {
    /// Stores `offsets`. A rebalance in the middle is waited for; what this
    /// member still owns afterwards is stored under its new generation
    /// (PITFALLS 13, 14), and nothing else: another member may be further by then (PITFALL 15).
    pub(crate) async fn commit(&self, offsets: Vec<OffsetToCommit>) -> Result<(), Error> {
        let span = self.span(&offsets);
        observed(span, self.commit_through_rebalances(offsets)).await
    }

    fn span(&self, offsets: &[OffsetToCommit]) -> tracing::Span {
        let client_id = &self.shared.client.config().client_id;
        spans::commit(client_id, self.coordinator.group_id(), offsets)
    }

    async fn commit_through_rebalances(
        &self,
        mut offsets: Vec<OffsetToCommit>,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let deadline = started + COMMIT_TIMEOUT;
        let mut backoff = self.backoff();
        let mut lost = None;
        while !offsets.is_empty() {
            let identity = self.wait_for_identity(Wanted::Any, deadline).await?;
            // Looked at with the identity at hand: a partition that goes after this takes the right
            // to commit under that identity with it.
            let (owned, gone) = self.split_owned(offsets);
            lost = lost.or(gone);
            if owned.is_empty() {
                break;
            }
            let (rest, error, wanted) = match self.attempt(&identity, owned).await {
                Attempt::Done => break,
                Attempt::Failed(error) => return Err(error),
                Attempt::Again(rest, error) => (rest, error, Wanted::Any),
                Attempt::AfterRebalance(rest, error) => (rest, error, Wanted::Settled),
                Attempt::NextGeneration(rest, error) | Attempt::NextEpoch(rest, error) => {
                    (rest, error, Wanted::OtherThan(&identity))
                }
            };
            let deadline = deadline_after(&error, started, deadline);
            pause(&mut backoff, deadline, error).await?;
            self.wait_for_identity(wanted, deadline).await?;
            offsets = rest;
        }
        lost.map_or(Ok(()), Err)
    }

    /// Stores `offsets` in the middle of a revocation: the rebalance waits for
    /// this commit, so this commit cannot wait for the rebalance.
    pub(crate) async fn commit_while_revoking(
        &self,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), Error> {
        let offsets = self.shared.with_epochs(offsets);
        self.commit_at_once(offsets).await
    }

    /// As [`Self::commit_while_revoking`].
    pub(crate) async fn commit_at_once(&self, offsets: Vec<OffsetToCommit>) -> Result<(), Error> {
        let span = self.span(&offsets);
        observed(span, self.commit_as_we_are(offsets)).await
    }

    async fn commit_as_we_are(&self, offsets: Vec<OffsetToCommit>) -> Result<(), Error> {
        let started = Instant::now();
        let deadline = started + self.coordinator.request_timeout();
        let mut backoff = self.backoff();
        let mut offsets = offsets;
        while !offsets.is_empty() {
            let identity = self.current_identity();
            if self.is_subscribed() && !identity.is_member() {
                return Err(self.partitions_lost("this consumer is not a member of it"));
            }
            match self.attempt(&identity, offsets).await {
                Attempt::Done => return Ok(()),
                Attempt::Failed(error)
                | Attempt::AfterRebalance(_, error)
                | Attempt::NextGeneration(_, error) => return Err(error),
                // What is being given up is ours until that is done, whatever the
                // epoch.
                Attempt::Again(rest, error) | Attempt::NextEpoch(rest, error) => {
                    let deadline = deadline_after(&error, started, deadline);
                    pause(&mut backoff, deadline, error).await?;
                    offsets = rest;
                }
            }
        }
        Ok(())
    }

    /// What the group has committed for `partitions`.
    pub(crate) async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Option<i64>)>, Error> {
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        let mut backoff = self.backoff();
        loop {
            let result = match offsets::fetch(&self.coordinator, partitions).await {
                Ok(answers) => all_known(partitions, answers),
                Err(error) => {
                    self.coordinator.forget();
                    Err(error)
                }
            };
            match result {
                Err(error) if error.is_retriable() => pause(&mut backoff, deadline, error).await?,
                result => return result,
            }
        }
    }

    /// The identity to commit under.
    async fn wait_for_identity(
        &self,
        wanted: Wanted<'_>,
        deadline: Instant,
    ) -> Result<Identity, Error> {
        if !self.is_subscribed() {
            return Ok(Identity::default());
        }
        let mut membership = self.membership.clone();
        let is_usable = |current: &Membership| match wanted {
            Wanted::Any => current.identity.is_member(),
            Wanted::Settled => current.is_settled,
            Wanted::OtherThan(used) => current.is_settled && current.identity != *used,
        };
        // A stalled member joins again when the application polls, which it does
        // not while it waits here.
        let is_hopeless = |current: &Membership| current.is_over || current.is_stalled;
        let usable = membership.wait_for(|current| is_hopeless(current) || is_usable(current));
        match tokio::time::timeout_at(deadline, usable).await {
            Ok(Ok(current)) if !is_hopeless(&current) => Ok(current.identity.clone()),
            Ok(_) => Err(self.partitions_lost("this consumer is out of it")),
            Err(_) => Err(Error::Timeout {
                what: "commit, waiting for a rebalance to end".to_owned(),
                after: COMMIT_TIMEOUT,
            }),
        }
    }

    async fn attempt(&self, identity: &Identity, offsets: Vec<OffsetToCommit>) -> Attempt {
        // One at a time, so that a slow commit cannot overtake a later one.
        let _turn = self.shared.commit_turn.lock().await;
        let instance = self.shared.config.group_instance_id.as_deref();
        let instance = instance.filter(|_| identity.is_member());
        match offsets::commit(&self.coordinator, identity, instance, &offsets).await {
            Ok(codes) => self.sort_out(offsets, &codes),
            Err(error) if error.is_retriable() => {
                self.coordinator.forget();
                Attempt::Again(offsets, error)
            }
            Err(error) => Attempt::Failed(error),
        }
    }

    fn sort_out(
        &self,
        offsets: Vec<OffsetToCommit>,
        codes: &HashMap<TopicPartition, ErrorCode>,
    ) -> Attempt {
        let (stored, rest): (Vec<_>, Vec<_>) = offsets
            .into_iter()
            .partition(|entry| codes.get(&entry.partition) == Some(&ErrorCode::None));
        self.shared.on_commit_stored(&stored);
        let Some(first) = rest.first() else {
            return Attempt::Done;
        };
        // No code at all would be a broker's mistake.
        let code_of = |entry: &OffsetToCommit| {
            codes
                .get(&entry.partition)
                .copied()
                .unwrap_or(ErrorCode::UnknownServerError)
        };
        let worst = rest
            .iter()
            .find(|entry| !code_of(entry).is_retriable())
            .unwrap_or(first);
        let code = code_of(worst);
        let context = format!("commit of offset {} of {}", worst.offset, worst.partition);
        let error = Error::broker(code, context);
        match code {
            // Said of a generation that is new, while its assignments are on their
            // way, and of one that is about to end.
            ErrorCode::RebalanceInProgress if self.is_subscribed() => {
                self.refused.notify_one();
                Attempt::AfterRebalance(rest, error)
            }
            ErrorCode::IllegalGeneration if self.is_subscribed() => {
                self.refused.notify_one();
                Attempt::NextGeneration(rest, error)
            }
            ErrorCode::StaleMemberEpoch if self.is_subscribed() => {
                self.refused.notify_one();
                Attempt::NextEpoch(rest, error)
            }
            // The last one when the group was deleted under its members.
            ErrorCode::UnknownMemberId
            | ErrorCode::FencedInstanceId
            | ErrorCode::FencedMemberEpoch
            | ErrorCode::GroupIdNotFound
                if self.is_subscribed() =>
            {
                self.refused.notify_one();
                Attempt::Failed(self.partitions_lost(code.message()))
            }
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.coordinator.forget();
                Attempt::Again(rest, error)
            }
            code if code.is_retriable() => Attempt::Again(rest, error),
            _ => Attempt::Failed(error),
        }
    }

    /// What of `offsets` is still ours, and the error for the rest. Outside of a group everything is.
    fn split_owned(&self, offsets: Vec<OffsetToCommit>) -> (Vec<OffsetToCommit>, Option<Error>) {
        if !self.is_subscribed() {
            return (offsets, None);
        }
        let (owned, gone): (Vec<_>, Vec<_>) = offsets
            .into_iter()
            .partition(|entry| self.shared.owns(&entry.partition));
        let error = gone.first().map(|entry| {
            let partition = &entry.partition;
            self.partitions_lost(&format!(
                "{partition} went to another member before its commit"
            ))
        });
        (owned, error)
    }

    fn is_subscribed(&self) -> bool {
        self.is_subscribed.load(Ordering::Acquire)
    }

    fn current_identity(&self) -> Identity {
        if self.is_subscribed() {
            self.membership.borrow().identity.clone()
        } else {
            Identity::default()
        }
    }

    pub(crate) fn partitions_lost(&self, reason: &str) -> Error {
        Error::PartitionsLost {
            group_id: self.coordinator.group_id().to_string(),
            reason: reason.to_owned(),
        }
    }

    fn backoff(&self) -> Backoff {
        let config = self.shared.client.config();
        Backoff::new(config.retry_backoff, config.retry_backoff_max)
    }
}

/// One answer a partition, or the first error.
fn all_known(
    partitions: &[TopicPartition],
    mut answers: CommittedOffsets,
) -> Result<Vec<(TopicPartition, Option<i64>)>, Error> {
    let answer_of = |partition: &TopicPartition| {
        let context = || format!("committed offset of {partition}");
        match answers.remove(partition) {
            Some(Ok(committed)) => {
                let offset = committed.map(|committed| committed.offset);
                Ok((partition.clone(), offset))
            }
            Some(Err(code)) => Err(Error::broker(code, context())),
            None => Err(Error::protocol(format!("{}: no answer", context()))),
        }
    };
    partitions.iter().map(answer_of).collect()
}

/// Until when there is a next attempt after `error`.
fn deadline_after(error: &Error, started: Instant, deadline: Instant) -> Instant {
    match error.code() {
        Some(ErrorCode::UnknownTopicOrPartition) => deadline.min(started + UNKNOWN_TOPIC_TIMEOUT),
        _ => deadline,
    }
}

/// Waits before the next attempt, or fails with `error` past `deadline`.
async fn pause(backoff: &mut Backoff, deadline: Instant, error: Error) -> Result<(), Error> {
    let resume_at = Instant::now() + backoff.next_delay();
    if resume_at >= deadline {
        return Err(error);
    }
    tokio::time::sleep_until(resume_at).await;
    Ok(())
}
