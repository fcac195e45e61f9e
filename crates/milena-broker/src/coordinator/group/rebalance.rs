//! From the first reason to rebalance to the next generation.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use milena_wire::error_code::ErrorCode;
use tokio::time::Instant;

use super::{Action, Group, InitialDelay, State};

impl Group {
    /// Starts a rebalance unless one is being prepared already.
    pub(super) fn prepare_rebalance(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if let State::Preparing { .. } = self.state {
            return;
        }
        let timeout = self.rebalance_timeout();
        let initial = if self.is_empty() {
            let delay = self.settings.initial_rebalance_delay.min(timeout);
            let remaining = timeout.saturating_sub(delay);
            Some((
                delay,
                InitialDelay {
                    remaining,
                    has_grown: false,
                },
            ))
        } else {
            None
        };
        self.refuse_syncs(ErrorCode::RebalanceInProgress, actions);
        self.state = State::Preparing {
            complete_by: now + initial.map_or(timeout, |(delay, _)| delay),
            initial: initial.map(|(_, delay)| delay),
        };
    }

    /// Completes the join phase if everybody is there or the time is up.
    pub(super) fn try_complete_join(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let State::Preparing {
            complete_by,
            initial,
        } = self.state
        else {
            return;
        };
        let is_due = complete_by <= now;
        match initial {
            Some(delay) if is_due && delay.has_grown && !delay.remaining.is_zero() => {
                let wait = self.settings.initial_rebalance_delay.min(delay.remaining);
                self.state = State::Preparing {
                    complete_by: now + wait,
                    initial: Some(InitialDelay {
                        remaining: delay.remaining - wait,
                        has_grown: false,
                    }),
                };
            }
            Some(_) if is_due => self.complete_join(now, actions),
            Some(_) => {}
            None => {
                let all_joined = self.pending.is_empty()
                    && self.members.values().all(|member| member.join.is_some());
                if all_joined || is_due {
                    self.complete_join(now, actions);
                }
            }
        }
    }

    fn complete_join(&mut self, now: Instant, actions: &mut Vec<Action>) {
        // Static members may be restarting: they keep their place until they expire.
        let absent: Vec<Arc<str>> = self
            .members
            .values()
            .filter(|member| member.join.is_none() && member.instance_id.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in absent {
            self.forget_member(&id, actions);
        }
        if self.members.is_empty() {
            self.generation = next_generation(self.generation);
            self.state = State::Empty;
            self.protocol = None;
            actions.push(Action::Persist);
            return;
        }
        if !self.elect_joined_leader() {
            let complete_by = now + self.rebalance_timeout();
            self.state = State::Preparing {
                complete_by,
                initial: None,
            };
            return;
        }
        self.generation = next_generation(self.generation);
        self.protocol = self.select_protocol();
        self.state = State::Completing {
            synced_by: now + self.rebalance_timeout(),
        };
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let outcome = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.has_synced = false;
            if let Some(ticket) = member.join.take() {
                member.settle(now);
                actions.push(Action::Joined { ticket, outcome });
            }
        }
    }

    /// The leader must be someone who is there to assign.
    fn elect_joined_leader(&mut self) -> bool {
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        if leader.is_some_and(|leader| leader.join.is_some()) {
            return true;
        }
        let joined = self.members.values().find(|member| member.join.is_some());
        match joined {
            Some(member) => {
                self.leader = Some(member.id.clone());
                true
            }
            None => false,
        }
    }

    /// Among the protocols that all members support, the one most of them prefer.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes: HashMap<&Arc<str>, usize> = HashMap::new();
        for member in self.members.values() {
            let supported = |name: &str| self.members.values().all(|other| other.supports(name));
            let vote = member
                .protocols
                .iter()
                .find(|protocol| supported(&protocol.name));
            if let Some(protocol) = vote {
                *votes.entry(&protocol.name).or_default() += 1;
            }
        }
        // Ties are broken by name, so that the result does not depend on a hash.
        let winner = votes
            .into_iter()
            .max_by(|left, right| left.1.cmp(&right.1).then_with(|| right.0.cmp(left.0)));
        winner.map(|(name, _)| name.clone())
    }

    pub(super) fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or(Duration::ZERO)
    }

    /// Answers everyone who waits for an assignment that will not come.
    fn refuse_syncs(&mut self, error: ErrorCode, actions: &mut Vec<Action>) {
        let State::Completing { .. } = self.state else {
            return;
        };
        for member in self.members.values_mut() {
            member.assignment.clear();
            if let Some(ticket) = member.sync.take() {
                actions.push(Action::Synced {
                    ticket,
                    outcome: Err(error),
                });
            }
        }
    }
}

/// Generations are positive; the one after 2³¹−1 is 1.
fn next_generation(generation: i32) -> i32 {
    generation.checked_add(1).unwrap_or(1)
}
