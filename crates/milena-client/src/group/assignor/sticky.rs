//! The eager sticky assignor: close to the assignment before.
//!
//! Owns the reading of what members had before they gave it up (which claim
//! counts, which is stale); the balancing is `balancer`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::balancer::Balancer;
use super::{Assignments, Claim, MemberSubscription, valid_owners};

/// Balanced, and as close to the previous assignment as that allows. A member
/// that still owns something, as a cooperative one does when a group falls back
/// to this assignor, claims that.
pub(super) fn assign(
    members: &[MemberSubscription],
    partitions: &BTreeMap<Arc<str>, i32>,
) -> Assignments {
    let claims = members.iter().map(|member| match &member.previous {
        Some(previous) if member.owned.is_empty() => Claim {
            member_id: &member.member_id,
            partitions: &previous.partitions,
            generation: previous.generation,
        },
        _ => Claim {
            member_id: &member.member_id,
            partitions: &member.owned,
            generation: member.generation,
        },
    });
    let mut balancer = Balancer::new(members, partitions);
    for (partition, owner) in valid_owners(claims) {
        balancer.keep(partition, owner);
    }
    balancer.balance()
}
