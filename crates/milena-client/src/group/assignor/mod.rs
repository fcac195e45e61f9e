//! Who gets which partition: the strategies a group leader can apply.
//!
//! Owns the assignors and their input and output; must not know requests,
//! sockets or the state of the member that runs them.

mod balancer;
mod cooperative_sticky;
mod range;
mod round_robin;
mod sticky;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::topology::TopicPartition;

/// A strategy that spreads partitions over the members of a classic group.
///
/// A member offers a list of them; the coordinator picks one that every
/// member of the group knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Assignor {
    /// `range`: per topic, contiguous runs of partitions in the order of the
    /// members, so that topics with equal partition counts are co-partitioned.
    /// Every rebalance gives up all partitions first (eager).
    Range,
    /// `roundrobin`: all partitions of all topics dealt out one by one, in the
    /// order of the members. Eager, as `range` is.
    RoundRobin,
    /// `sticky`: balanced, and as close to the assignment before as that
    /// allows, although every rebalance gives up all partitions first (eager).
    /// For groups with members that do not know [`Self::CooperativeSticky`].
    Sticky,
    /// `cooperative-sticky`: balanced, moves as few partitions as it can, and
    /// moves them in two steps so that the others are consumed without a pause
    /// (KIP-429).
    CooperativeSticky,
}

impl Assignor {
    /// The name that goes over the wire, the same as in other clients.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::Sticky => "sticky",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The assignor called `name` on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "range" => Some(Self::Range),
            "roundrobin" => Some(Self::RoundRobin),
            "sticky" => Some(Self::Sticky),
            "cooperative-sticky" => Some(Self::CooperativeSticky),
            _ => None,
        }
    }

    /// How members behave around a rebalance under this assignor.
    pub(crate) fn protocol(self) -> RebalanceProtocol {
        match self {
            Self::Range | Self::RoundRobin | Self::Sticky => RebalanceProtocol::Eager,
            Self::CooperativeSticky => RebalanceProtocol::Cooperative,
        }
    }

    /// Spreads `partitions` (topic to partition count) over `members`.
    ///
    /// Topics that nobody subscribes to are ignored; every member appears in
    /// the answer.
    pub(crate) fn assign(
        self,
        members: &[MemberSubscription],
        partitions: &BTreeMap<Arc<str>, i32>,
    ) -> Assignments {
        let assignments = match self {
            Self::Range => range::assign(members, partitions),
            Self::RoundRobin => round_robin::assign(members, partitions),
            Self::Sticky => sticky::assign(members, partitions),
            Self::CooperativeSticky => cooperative_sticky::assign(members, partitions),
        };
        withhold_transferred(members, assignments)
    }
}

impl fmt::Display for Assignor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a member does with its partitions when a rebalance starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RebalanceProtocol {
    /// Give all of them up before joining.
    Eager,
    /// Keep them; give up what the assignment takes away, then join again.
    Cooperative,
}

/// What the leader knows about one member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MemberSubscription {
    pub(crate) member_id: String,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) owned: Vec<TopicPartition>,
    /// Generation in which `owned` was assigned; `None` when not told.
    pub(crate) generation: Option<i32>,
    /// What an eager member had before the rebalance, and has given up.
    pub(crate) previous: Option<PreviousAssignment>,
}

/// An assignment that is over, kept so that the next one can resemble it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PreviousAssignment {
    pub(crate) partitions: Vec<TopicPartition>,
    /// Generation in which it was made; `None` when not told.
    pub(crate) generation: Option<i32>,
}

/// In the order that other clients use: static members by instance id, then
/// dynamic ones by member id.
fn in_order(members: &[MemberSubscription]) -> Vec<&MemberSubscription> {
    let mut ordered: Vec<&MemberSubscription> = members.iter().collect();
    ordered.sort_by_key(|member| {
        let instance = member.group_instance_id.as_deref();
        (instance.is_none(), instance, member.member_id.as_str())
    });
    ordered
}

/// Everybody with nothing.
fn nothing(members: &[MemberSubscription]) -> Assignments {
    let ids = members.iter().map(|member| member.member_id.clone());
    ids.map(|id| (id, Vec::new())).collect()
}

/// A member's claim to partitions, of a generation.
struct Claim<'a> {
    member_id: &'a str,
    partitions: &'a [TopicPartition],
    generation: Option<i32>,
}

/// Who has what: the claim of the highest generation wins. Two claims of the
/// same generation cancel out, since nobody can tell which one is right
/// (KAFKA-12984).
fn valid_owners<'a>(
    claims: impl IntoIterator<Item = Claim<'a>>,
) -> BTreeMap<&'a TopicPartition, &'a str> {
    let mut best: BTreeMap<&TopicPartition, (i32, Option<&str>)> = BTreeMap::new();
    for claim in claims {
        let generation = claim.generation.unwrap_or(-1);
        for partition in claim.partitions {
            let claimed = (generation, Some(claim.member_id));
            best.entry(partition)
                .and_modify(|held| {
                    if generation > held.0 {
                        *held = claimed;
                    } else if generation == held.0 && held.1 != claimed.1 {
                        held.1 = None;
                    }
                })
                .or_insert(claimed);
        }
    }
    best.into_iter()
        .filter_map(|(partition, (_, owner))| Some((partition, owner?)))
        .collect()
}

/// Member id to partitions.
pub(crate) type Assignments = BTreeMap<String, Vec<TopicPartition>>;

/// Takes out of `assignments` each partition that a different member still
/// claims: its new owner gets it in the next rebalance, after the claimant has
/// given it up. The claim counts whatever its generation, because a member
/// that was away may still be consuming.
fn withhold_transferred(
    members: &[MemberSubscription],
    mut assignments: Assignments,
) -> Assignments {
    let mut claims: BTreeMap<&TopicPartition, BTreeSet<&str>> = BTreeMap::new();
    for member in members {
        for partition in &member.owned {
            let claimants = claims.entry(partition).or_default();
            claimants.insert(&member.member_id);
        }
    }
    for (member_id, partitions) in &mut assignments {
        partitions.retain(|partition| match claims.get(partition) {
            Some(claimants) => claimants.contains(member_id.as_str()),
            None => true,
        });
    }
    assignments
}
