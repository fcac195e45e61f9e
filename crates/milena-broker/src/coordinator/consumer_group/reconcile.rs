//! Leading a member from what it has to its target.
//!
//! Owns the one rule that keeps a partition from having two owners: nobody gets a
//! partition before its last holder has reported that it gave it up.

use std::sync::Arc;

use tokio::time::Instant;

use super::{ConsumerGroup, MemberState, PartitionSet};

/// A member's next step.
struct Step {
    state: MemberState,
    assigned: PartitionSet,
    revoking: PartitionSet,
    /// It has arrived at the group's epoch.
    is_current: bool,
}

impl ConsumerGroup {
    /// Takes the member one step further, if it can go. `owned` is what it says it
    /// has; `None` when it did not say.
    pub(super) fn reconcile(&mut self, id: &Arc<str>, owned: Option<&PartitionSet>, now: Instant) {
        let Some(step) = self.next_step(id, owned) else {
            return;
        };
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let must_revoke = step.state == MemberState::Unrevoked;
        if !must_revoke {
            member.revoke_by = None;
        } else if member.revoke_by.is_none() {
            member.revoke_by = Some(now + member.rebalance_timeout);
        }
        self.is_changed |= member.state != step.state
            || member.assigned != step.assigned
            || member.revoking != step.revoking;
        member.state = step.state;
        member.assigned = step.assigned;
        member.revoking = step.revoking;
        if step.is_current && member.epoch != self.target_epoch {
            member.previous_epoch = member.epoch;
            member.epoch = self.target_epoch;
            self.is_changed = true;
        }
    }

    fn next_step(&self, id: &Arc<str>, owned: Option<&PartitionSet>) -> Option<Step> {
        let member = self.members.get(id)?;
        let still_has =
            |partitions: &PartitionSet| owned.is_none_or(|owned| !owned.is_disjoint(partitions));
        match member.state {
            MemberState::Stable if member.epoch == self.target_epoch => return None,
            MemberState::Unrevoked if still_has(&member.revoking) => return None,
            _ => {}
        }
        let target = self.target(id);
        let mut assigned: PartitionSet = member.assigned.intersection(&target).copied().collect();
        let revoking: PartitionSet = member.assigned.difference(&target).copied().collect();
        if !revoking.is_empty() && still_has(&revoking) {
            return Some(Step {
                state: MemberState::Unrevoked,
                assigned,
                revoking,
                is_current: false,
            });
        }
        let wanted: PartitionSet = target.difference(&assigned).copied().collect();
        let others = || self.members.values().filter(|other| other.id != *id);
        let is_free =
            |partition: &&(uuid::Uuid, i32)| !others().any(|other| other.holds(partition));
        let free: PartitionSet = wanted.iter().filter(is_free).copied().collect();
        let state = match free.len() == wanted.len() {
            true => MemberState::Stable,
            false => MemberState::Unreleased,
        };
        assigned.extend(free);
        Some(Step {
            state,
            assigned,
            revoking: PartitionSet::new(),
            is_current: true,
        })
    }
}
