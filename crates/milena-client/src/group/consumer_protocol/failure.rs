//! What a member of the new protocol makes of failures.
//!
//! Owns the meaning of the coordinator's error codes for a member: try again, look
//! for the coordinator, start over, or give up for good.

use tokio::time::Instant;

use super::{ConsumerProtocolMember, Phase};
use crate::group::action::{Action, GroupFailure, Trouble};
use crate::wire::ErrorCode;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Ask the same coordinator again.
    Retry,
    /// Ask the right coordinator again.
    FindCoordinator,
    /// Not a member any more, or not in this epoch: start over.
    Fenced,
    /// Our instance id is not free yet.
    Unreleased,
    /// Never again.
    Fatal,
}

impl ConsumerProtocolMember {
    /// The heartbeat with this number failed.
    pub(crate) fn on_beat_failed(&mut self, number: u64, failure: GroupFailure, now: Instant) {
        if self.take_in_flight(number).is_none() {
            return;
        }
        // Whether it was heard nobody knows.
        self.told = None;
        match self.judge(&failure) {
            Verdict::Retry => self.heartbeat_again(now),
            Verdict::FindCoordinator => {
                self.actions.push(Action::FindCoordinator);
                self.heartbeat_again(now);
            }
            Verdict::Fenced => self.start_over(now),
            Verdict::Unreleased => {
                let since = *self.unreleased_since.get_or_insert(now);
                if now - since < self.config.session_timeout {
                    self.heartbeat_again(now);
                } else {
                    self.die(failure, now);
                }
            }
            Verdict::Fatal => self.die(failure, now),
        }
    }

    fn judge(&self, failure: &GroupFailure) -> Verdict {
        let code = match failure {
            GroupFailure::Unreachable => return Verdict::FindCoordinator,
            GroupFailure::Unusable(_) | GroupFailure::Refused(_) => return Verdict::Fatal,
            GroupFailure::Code(code) => *code,
        };
        match code {
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                Verdict::FindCoordinator
            }
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId => Verdict::Fenced,
            // The group was deleted under a member; a newcomer would have made it.
            ErrorCode::GroupIdNotFound if self.identity.is_member() => Verdict::Fenced,
            ErrorCode::UnreleasedInstanceId => Verdict::Unreleased,
            code if code.is_retriable() => Verdict::Retry,
            _ => Verdict::Fatal,
        }
    }

    /// No word from the coordinator for a session: others may have got the
    /// partitions.
    pub(super) fn on_session_expired(&mut self, now: Instant) {
        self.actions.push(Action::Report(Trouble::SessionExpired));
        self.actions.push(Action::FindCoordinator);
        self.start_over(now);
    }

    fn heartbeat_again(&mut self, now: Instant) {
        let pause = self.backoff.next_delay();
        self.next_heartbeat = now + pause.min(self.heartbeat_interval);
    }

    /// The group went on without this member: what it had is somebody else's, and
    /// it joins as a newcomer, under the id it always had.
    fn start_over(&mut self, now: Instant) {
        self.forget_membership();
        self.last_heard = now;
        self.lose_owned();
        if self.phase == Phase::Active {
            let join_at = now + self.backoff.next_delay();
            self.phase = Phase::Losing { join_at };
        }
        self.finish_jobs(now);
    }

    fn die(&mut self, failure: GroupFailure, now: Instant) {
        if matches!(self.phase, Phase::Releasing(_)) {
            // It is about to leave, and has no one left to say goodbye to.
            self.forget_membership();
            self.finish_jobs(now);
            return;
        }
        self.lose_owned();
        self.forget_membership();
        self.actions.push(Action::Report(Trouble::Fatal(failure)));
        self.phase = Phase::Dead;
    }
}
