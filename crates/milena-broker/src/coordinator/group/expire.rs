//! What the passing of time does to a group.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Action, Group, State};

impl Group {
    /// Does everything that is due at `now`.
    pub(crate) fn tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.pending.retain(|_, deadline| *deadline > now);
        let expired = self
            .members
            .values()
            .filter(|member| member.is_expired(now));
        self.remove_all(
            expired.map(|member| member.id.clone()).collect(),
            now,
            actions,
        );
        if let State::Completing { synced_by } = self.state
            && synced_by <= now
        {
            let silent = self.members.values().filter(|member| !member.has_synced);
            self.remove_all(
                silent.map(|member| member.id.clone()).collect(),
                now,
                actions,
            );
        }
        self.try_complete_join(now, actions);
    }

    /// The next time that something is due; `None` if nothing ever is.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.members.values().filter_map(super::Member::deadline);
        let pending = self.pending.values().copied();
        let state = match self.state {
            State::Preparing { complete_by, .. } => Some(complete_by),
            State::Completing { synced_by } => Some(synced_by),
            State::Empty | State::Stable => None,
        };
        sessions.chain(pending).chain(state).min()
    }

    fn remove_all(&mut self, ids: Vec<Arc<str>>, now: Instant, actions: &mut Vec<Action>) {
        for id in ids {
            tracing::info!(event = "group_member_expired", member_id = %id);
            self.remove_member(&id, now, actions);
        }
    }
}
