//! What a classic member makes of failures.
//!
//! Owns the meaning of the coordinator's error codes for a member: try again,
//! look for the coordinator, start over, or give up for good.

use tokio::time::Instant;

use super::{ClassicMember, Next, Phase};
use crate::group::action::{Action, GENERATION_NONE, GroupFailure, Identity, Trouble};
use crate::wire::ErrorCode;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Ask the same coordinator again.
    Retry,
    /// Ask the right coordinator again.
    FindCoordinator,
    /// A rebalance is on: join.
    Rejoin,
    /// Not in this generation any more.
    LostGeneration,
    /// Not a member any more.
    LostMembership,
    /// Never again.
    Fatal,
}

fn judge(failure: &GroupFailure) -> Verdict {
    match failure {
        GroupFailure::Unreachable => Verdict::FindCoordinator,
        GroupFailure::Unusable(_) | GroupFailure::Refused(_) => Verdict::Fatal,
        GroupFailure::Code(code) => match code {
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                Verdict::FindCoordinator
            }
            ErrorCode::RebalanceInProgress => Verdict::Rejoin,
            ErrorCode::IllegalGeneration => Verdict::LostGeneration,
            ErrorCode::UnknownMemberId => Verdict::LostMembership,
            code if code.is_retriable() => Verdict::Retry,
            _ => Verdict::Fatal,
        },
    }
}

impl ClassicMember {
    /// The coordinator wants the member to join under this id (KIP-394).
    pub(crate) fn on_member_id_required(&mut self, member_id: String) {
        if self.phase == Phase::Joining {
            self.identity = Identity {
                member_id,
                generation: GENERATION_NONE,
            };
            self.join();
        }
    }

    /// JoinGroup failed.
    pub(crate) fn on_join_failed(&mut self, failure: GroupFailure, now: Instant) {
        if self.phase == Phase::Joining {
            self.retry_join(failure, now);
        }
    }

    /// The leader could not find out what there is to assign.
    pub(crate) fn on_assign_failed(&mut self, now: Instant) {
        if self.phase == Phase::Assigning {
            self.wait_to_join(now);
        }
    }

    /// SyncGroup failed.
    pub(crate) fn on_sync_failed(&mut self, failure: GroupFailure, now: Instant) {
        if !matches!(self.phase, Phase::Syncing { .. }) {
            return;
        }
        if judge(&failure) == Verdict::Rejoin {
            self.last_heard = now;
            self.rejoin();
        } else {
            self.retry_join(failure, now);
        }
    }

    /// The heartbeat sent under `identity` was answered.
    pub(crate) fn on_heartbeat(
        &mut self,
        identity: &Identity,
        result: Result<(), GroupFailure>,
        now: Instant,
    ) {
        if *identity != self.identity {
            return;
        }
        // Whatever has begun since: else none would ever be sent again.
        self.is_heartbeat_sent = false;
        if !self.heartbeats() {
            return;
        }
        let Err(failure) = result else {
            self.last_heard = now;
            self.backoff.reset();
            return;
        };
        match judge(&failure) {
            Verdict::Retry => self.heartbeat_again(now),
            Verdict::FindCoordinator => {
                self.actions.push(Action::FindCoordinator);
                self.heartbeat_again(now);
            }
            Verdict::Rejoin => {
                self.last_heard = now;
                self.request_rejoin();
            }
            Verdict::LostGeneration | Verdict::LostMembership => self.start_over(&failure, now),
            Verdict::Fatal => self.die(failure),
        }
    }

    /// A commit was refused because of who this member is: find out where it
    /// stands with a heartbeat at once.
    pub(crate) fn on_commit_refused(&mut self, now: Instant) {
        self.next_heartbeat = self.next_heartbeat.min(now);
    }

    /// No word from the coordinator for a session: others may have got the
    /// partitions.
    pub(super) fn on_session_expired(&mut self, now: Instant) {
        self.actions.push(Action::Report(Trouble::SessionExpired));
        self.actions.push(Action::FindCoordinator);
        self.identity.generation = GENERATION_NONE;
        self.last_heard = now;
        self.lose_owned(Next::Join);
    }

    fn heartbeat_again(&mut self, now: Instant) {
        let pause = self.backoff.next_delay();
        self.next_heartbeat = now + pause.min(self.config.heartbeat_interval);
    }

    fn retry_join(&mut self, failure: GroupFailure, now: Instant) {
        match judge(&failure) {
            Verdict::Retry | Verdict::Rejoin => self.wait_to_join(now),
            Verdict::FindCoordinator => {
                self.actions.push(Action::FindCoordinator);
                self.wait_to_join(now);
            }
            Verdict::LostGeneration | Verdict::LostMembership => self.start_over(&failure, now),
            Verdict::Fatal => self.die(failure),
        }
    }

    fn wait_to_join(&mut self, now: Instant) {
        self.phase = Phase::Waiting {
            until: now + self.backoff.next_delay(),
        };
    }

    /// The group went on without this member: its partitions are somebody
    /// else's, and it joins as a newcomer.
    fn start_over(&mut self, failure: &GroupFailure, now: Instant) {
        if judge(failure) == Verdict::LostMembership {
            self.identity.member_id.clear();
        }
        self.identity.generation = GENERATION_NONE;
        self.is_leader = false;
        self.last_heard = now;
        let then = match &self.phase {
            Phase::GivingUp {
                then: Next::Leave(destination),
                ..
            } => Next::Leave(*destination),
            _ => Next::JoinAfter(now + self.backoff.next_delay()),
        };
        self.lose_owned(then);
    }

    fn die(&mut self, failure: GroupFailure) {
        let is_leaving = matches!(
            self.phase,
            Phase::GivingUp {
                then: Next::Leave(_),
                ..
            }
        );
        if is_leaving {
            // It has no one left to say goodbye to, but must arrive.
            self.identity = Identity::default();
            return;
        }
        let owned: Vec<_> = std::mem::take(&mut self.owned).into_iter().collect();
        if !owned.is_empty() {
            self.actions.push(Action::Lose(owned));
        }
        self.actions.push(Action::Report(Trouble::Fatal(failure)));
        self.phase = Phase::Dead;
    }
}
