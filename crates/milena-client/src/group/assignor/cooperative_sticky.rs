//! The cooperative sticky assignor: sticky ownership by generation.
//!
//! Owns the target assignment; the balancing is `balancer`'s, the withholding
//! of moving partitions the parent's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::balancer::Balancer;
use super::{Assignments, Claim, MemberSubscription, valid_owners};

/// The target assignment: balanced, and as close to the valid claims as that
/// allows.
pub(super) fn assign(
    members: &[MemberSubscription],
    partitions: &BTreeMap<Arc<str>, i32>,
) -> Assignments {
    let claims = members.iter().map(|member| Claim {
        member_id: &member.member_id,
        partitions: &member.owned,
        generation: member.generation,
    });
    let mut balancer = Balancer::new(members, partitions);
    for (partition, owner) in valid_owners(claims) {
        balancer.keep(partition, owner);
    }
    balancer.balance()
}
