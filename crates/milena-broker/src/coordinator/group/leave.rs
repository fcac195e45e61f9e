//! LeaveGroup, and how a member is forgotten for whatever reason.

use std::sync::Arc;

use milena_wire::error_code::ErrorCode;
use tokio::time::Instant;

use super::{Action, Group, Joined};

/// Who leaves: by member id, or a static member by its instance id.
#[derive(Debug, Clone)]
pub(crate) struct Leaver<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
}

/// A decoded LeaveGroup request.
#[derive(Debug, Clone)]
pub(crate) struct LeaveRequest<'a> {
    pub(crate) leavers: Vec<Leaver<'a>>,
}

impl Group {
    /// Lets members go; one result for each.
    pub(crate) fn leave(
        &mut self,
        request: &LeaveRequest<'_>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Vec<Result<(), ErrorCode>> {
        let results = request
            .leavers
            .iter()
            .map(|leaver| self.leave_one(leaver, now, actions))
            .collect();
        self.tick(now, actions);
        results
    }

    fn leave_one(
        &mut self,
        leaver: &Leaver<'_>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Result<(), ErrorCode> {
        let by_instance_alone = leaver.member_id.is_empty() && leaver.instance_id.is_some();
        if !by_instance_alone {
            self.check_instance(leaver.member_id, leaver.instance_id)?;
        }
        if self.pending.remove(leaver.member_id).is_some() {
            return Ok(());
        }
        let member_id = match leaver.instance_id {
            Some(instance_id) => self.instances.get(instance_id).cloned(),
            None => self
                .members
                .get_key_value(leaver.member_id)
                .map(|(id, _)| id.clone()),
        };
        let member_id = member_id.ok_or(ErrorCode::UnknownMemberId)?;
        self.remove_member(&member_id, now, actions);
        Ok(())
    }

    /// Forgets a member and has the others share what it had.
    pub(super) fn remove_member(
        &mut self,
        member_id: &Arc<str>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        self.forget_member(member_id, actions);
        self.prepare_rebalance(now, actions);
    }

    /// Forgets a member; whatever it waits for is refused.
    pub(super) fn forget_member(&mut self, member_id: &Arc<str>, actions: &mut Vec<Action>) {
        let Some(member) = self.members.remove(member_id) else {
            return;
        };
        if let Some(instance_id) = &member.instance_id {
            self.instances.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        let error = ErrorCode::UnknownMemberId;
        if let Some(ticket) = member.join {
            let outcome = Joined::refused(error, member.id.clone());
            actions.push(Action::Joined { ticket, outcome });
        }
        if let Some(ticket) = member.sync {
            actions.push(Action::Synced {
                ticket,
                outcome: Err(error),
            });
        }
    }
}
