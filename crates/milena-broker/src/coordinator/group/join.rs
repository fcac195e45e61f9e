//! JoinGroup: members coming and coming back.

use std::sync::Arc;
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use tokio::time::Instant;

use super::{Action, Group, InitialDelay, Joined, JoinedMember, Member, Protocol, State, Ticket};

/// A decoded JoinGroup request.
#[derive(Debug, Clone)]
pub(crate) struct JoinRequest {
    /// Empty for a member that has no id yet.
    pub(crate) member_id: Arc<str>,
    /// The id to give to such a member.
    pub(crate) new_member_id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: Arc<str>,
    pub(crate) protocols: Vec<Protocol>,
    /// Since version 4 a new member first gets an id and joins again with it (KIP-394).
    pub(crate) requires_known_id: bool,
    /// Since version 9 a returning leader can be told not to assign (KIP-814).
    pub(crate) can_skip_assignment: bool,
}

impl Group {
    /// Takes a member in, or says at once why not. The answer may come later.
    pub(crate) fn join(
        &mut self,
        request: &JoinRequest,
        ticket: Ticket,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let joined = if request.member_id.is_empty() {
            self.join_unknown(request, ticket, now, actions)
        } else {
            self.join_known(request, ticket, now, actions)
        };
        if let Err(error) = joined {
            let member_id = match error {
                ErrorCode::MemberIdRequired => request.new_member_id.clone(),
                _ => request.member_id.clone(),
            };
            actions.push(Action::Joined {
                ticket,
                outcome: Joined::refused(error, member_id),
            });
        }
        self.tick(now, actions);
    }

    fn join_unknown(
        &mut self,
        request: &JoinRequest,
        ticket: Ticket,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Result<(), ErrorCode> {
        self.check_protocols(request)?;
        let returning = request
            .instance_id
            .as_ref()
            .and_then(|id| self.instances.get(id).cloned());
        if let Some(former_id) = returning {
            self.replace_static(&former_id, request, ticket, now, actions);
            return Ok(());
        }
        self.check_size()?;
        if request.instance_id.is_none() && request.requires_known_id {
            let deadline = now + request.session_timeout;
            self.pending.insert(request.new_member_id.clone(), deadline);
            return Err(ErrorCode::MemberIdRequired);
        }
        self.add_member(request.new_member_id.clone(), request, ticket, now, actions);
        Ok(())
    }

    fn join_known(
        &mut self,
        request: &JoinRequest,
        ticket: Ticket,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Result<(), ErrorCode> {
        self.check_instance(&request.member_id, request.instance_id.as_deref())?;
        if self.pending.contains_key(&request.member_id) {
            self.check_protocols(request)?;
            self.pending.remove(&request.member_id);
            self.add_member(request.member_id.clone(), request, ticket, now, actions);
            return Ok(());
        }
        let member = self
            .members
            .get(&request.member_id)
            .ok_or(ErrorCode::UnknownMemberId)?;
        let is_unchanged = member.protocols == request.protocols;
        self.check_protocols(request)?;
        let is_leader = self.is_leader(&request.member_id);
        let answer_now = match self.state {
            State::Empty | State::Preparing { .. } => false,
            // Most likely the response got lost.
            State::Completing { .. } => is_unchanged,
            // A leader that joins a stable group wants a new assignment.
            State::Stable => is_unchanged && !is_leader,
        };
        if answer_now {
            let outcome = self.joined(&request.member_id);
            actions.push(Action::Joined { ticket, outcome });
            return Ok(());
        }
        self.update_member(request, ticket, now, actions);
        self.prepare_rebalance(now, actions);
        Ok(())
    }

    /// The type must be the group's, and one protocol must be known to everybody.
    fn check_protocols(&self, request: &JoinRequest) -> Result<(), ErrorCode> {
        let incoherent = Err(ErrorCode::InconsistentGroupProtocol);
        if request.protocol_type.is_empty() || request.protocols.is_empty() {
            return incoherent;
        }
        if self.members.is_empty() {
            return Ok(());
        }
        if self.protocol_type.as_deref() != Some(&*request.protocol_type) {
            return incoherent;
        }
        let mut others = self.members.values().filter(|member| {
            *member.id != *request.member_id
                && (request.instance_id.is_none() || member.instance_id != request.instance_id)
        });
        let others: Vec<&Member> = others.by_ref().collect();
        let shared = request
            .protocols
            .iter()
            .any(|protocol| others.iter().all(|member| member.supports(&protocol.name)));
        if shared { Ok(()) } else { incoherent }
    }

    fn check_size(&self) -> Result<(), ErrorCode> {
        let size = self.members.len() + self.pending.len();
        if size < self.settings.members_max {
            Ok(())
        } else {
            Err(ErrorCode::GroupMaxSizeReached)
        }
    }

    fn add_member(
        &mut self,
        id: Arc<str>,
        request: &JoinRequest,
        ticket: Ticket,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        let mut member = Member::new(id.clone(), now);
        member.instance_id = request.instance_id.clone();
        member.take_over(request);
        member.join = Some(ticket);
        if let Some(instance_id) = &request.instance_id {
            self.instances.insert(instance_id.clone(), id.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        self.members.insert(id, member);
        if let State::Preparing {
            initial: Some(InitialDelay { has_grown, .. }),
            ..
        } = &mut self.state
        {
            *has_grown = true;
        }
        self.prepare_rebalance(now, actions);
    }

    fn update_member(
        &mut self,
        request: &JoinRequest,
        ticket: Ticket,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        if let Some(member) = self.members.get_mut(&request.member_id) {
            member.take_over(request);
            member.renew(now);
            if let Some(former) = member.join.replace(ticket) {
                // The client gave up on that request and sent another.
                let error = ErrorCode::RebalanceInProgress;
                let outcome = Joined::refused(error, member.id.clone());
                actions.push(Action::Joined {
                    ticket: former,
                    outcome,
                });
            }
        }
    }

    /// A static member came back without its member id: it gets a new one, and the
    /// group need not rebalance if it is stable and stays with its protocol.
    fn replace_static(
        &mut self,
        former_id: &Arc<str>,
        request: &JoinRequest,
        ticket: Ticket,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(mut member) = self.members.remove(former_id) else {
            return;
        };
        member.fence(actions);
        member.id = request.new_member_id.clone();
        member.take_over(request);
        member.renew(now);
        if let Some(instance_id) = &request.instance_id {
            self.instances
                .insert(instance_id.clone(), member.id.clone());
        }
        let was_leader = self.is_leader(former_id);
        if was_leader {
            self.leader = Some(member.id.clone());
        }
        let id = member.id.clone();
        self.members.insert(id.clone(), member);
        if self.state == State::Stable && self.select_protocol() == self.protocol {
            let mut outcome = self.joined(&id);
            if was_leader && request.can_skip_assignment {
                outcome.skip_assignment = true;
            } else if was_leader {
                // Told of its former self as the leader it does not try to assign.
                outcome.leader = former_id.clone();
                outcome.members.clear();
            }
            actions.push(Action::Joined { ticket, outcome });
            actions.push(Action::Persist);
            return;
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.join = Some(ticket);
        }
        self.prepare_rebalance(now, actions);
    }

    /// The answer of the current generation for one member.
    pub(super) fn joined(&self, member_id: &Arc<str>) -> Joined {
        let members = if self.is_leader(member_id) {
            let members = self.members.values().map(|member| JoinedMember {
                member_id: member.id.clone(),
                instance_id: member.instance_id.clone(),
                metadata: member.metadata(self.protocol.as_deref()),
            });
            members.collect()
        } else {
            Vec::new()
        };
        Joined {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| Arc::from("")),
            member_id: member_id.clone(),
            members,
            skip_assignment: false,
        }
    }
}

impl Member {
    fn take_over(&mut self, request: &JoinRequest) {
        self.client_id = request.client_id.clone();
        self.client_host = request.client_host.clone();
        self.session_timeout = request.session_timeout;
        self.rebalance_timeout = request.rebalance_timeout;
        self.protocols = request.protocols.clone();
    }

    /// Whoever still waits under the former identity is told that it was replaced.
    fn fence(&mut self, actions: &mut Vec<Action>) {
        let error = ErrorCode::FencedInstanceId;
        if let Some(ticket) = self.join.take() {
            let outcome = Joined::refused(error, self.id.clone());
            actions.push(Action::Joined { ticket, outcome });
        }
        if let Some(ticket) = self.sync.take() {
            actions.push(Action::Synced {
                ticket,
                outcome: Err(error),
            });
        }
    }
}

impl Joined {
    pub(crate) fn refused(error: ErrorCode, member_id: Arc<str>) -> Self {
        Joined {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: Arc::from(""),
            member_id,
            members: Vec::new(),
            skip_assignment: false,
        }
    }
}
