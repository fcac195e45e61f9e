//! SyncGroup: the leader's assignment, for everybody.

use std::collections::HashMap;

use bytes::Bytes;
use milena_wire::error_code::ErrorCode;
use tokio::time::Instant;

use super::{Action, Credentials, Group, Member, State, Synced, Ticket};

/// A decoded SyncGroup request.
#[derive(Debug, Clone)]
pub(crate) struct SyncRequest<'a> {
    pub(crate) credentials: Credentials<'a>,
    /// KIP-559: what the member believes; absent in older versions.
    pub(crate) protocol_type: Option<&'a str>,
    pub(crate) protocol: Option<&'a str>,
    /// From the leader; empty from others.
    pub(crate) assignments: HashMap<&'a str, Bytes>,
}

impl Group {
    /// Takes the leader's assignment; answers now or once it is there.
    pub(crate) fn sync(
        &mut self,
        request: &SyncRequest<'_>,
        ticket: Ticket,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        if let Err(error) = self.try_sync(request, ticket, now, actions) {
            actions.push(Action::Synced {
                ticket,
                outcome: Err(error),
            });
        }
        self.tick(now, actions);
    }

    fn try_sync(
        &mut self,
        request: &SyncRequest<'_>,
        ticket: Ticket,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Result<(), ErrorCode> {
        self.check_member(request.credentials)?;
        let is_foreign = |believed: Option<&str>, actual: Option<&str>| {
            believed.is_some_and(|believed| Some(believed) != actual)
        };
        if is_foreign(request.protocol_type, self.protocol_type.as_deref())
            || is_foreign(request.protocol, self.protocol.as_deref())
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let id = request.credentials.member_id;
        match self.state {
            State::Empty => return Err(ErrorCode::UnknownMemberId),
            State::Preparing { .. } => return Err(ErrorCode::RebalanceInProgress),
            State::Stable => {
                let outcome = Ok(self.synced(self.members.get(id)));
                if let Some(member) = self.members.get_mut(id) {
                    member.renew(now);
                }
                actions.push(Action::Synced { ticket, outcome });
                return Ok(());
            }
            State::Completing { .. } => {}
        }
        if let Some(member) = self.members.get_mut(id) {
            member.has_synced = true;
            if let Some(former) = member.sync.replace(ticket) {
                let error = ErrorCode::RebalanceInProgress;
                actions.push(Action::Synced {
                    ticket: former,
                    outcome: Err(error),
                });
            }
        }
        if self.is_leader(id) {
            self.distribute(&request.assignments, now, actions);
        }
        Ok(())
    }

    /// The group is stable from here on; whoever waits gets its part.
    fn distribute(
        &mut self,
        assignments: &HashMap<&str, Bytes>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        self.state = State::Stable;
        for member in self.members.values_mut() {
            member.assignment = assignments.get(&*member.id).cloned().unwrap_or_default();
        }
        actions.push(Action::Persist);
        let waiting: Vec<(Ticket, Synced)> = self
            .members
            .values()
            .filter_map(|member| {
                member
                    .sync
                    .map(|ticket| (ticket, self.synced(Some(member))))
            })
            .collect();
        for (ticket, synced) in waiting {
            actions.push(Action::Synced {
                ticket,
                outcome: Ok(synced),
            });
        }
        for member in self.members.values_mut() {
            if member.sync.take().is_some() {
                member.renew(now);
            }
        }
    }

    fn synced(&self, member: Option<&Member>) -> Synced {
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: member
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
        }
    }
}
