//! The cooperative sticky assignor: sticky ownership by generation.
//!
//! Owns the reading of members' claims (which claim counts, which is stale);
//! the balancing is `sticky`'s, the withholding of moving partitions the
//! parent's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sticky::Balancer;
use super::{Assignments, MemberSubscription};
use crate::topology::TopicPartition;

/// The target assignment: balanced, and as close to the valid claims as that
/// allows.
pub(super) fn assign(
    members: &[MemberSubscription],
    partitions: &BTreeMap<Arc<str>, i32>,
) -> Assignments {
    let mut balancer = Balancer::new(members, partitions);
    for (partition, owner) in valid_owners(members) {
        balancer.keep(partition, owner);
    }
    balancer.balance()
}

/// Who owns what: the claim of the highest generation wins. Two claims of the
/// same generation cancel out, since nobody can tell which one is right
/// (KAFKA-12984).
fn valid_owners(members: &[MemberSubscription]) -> BTreeMap<&TopicPartition, &str> {
    let mut best: BTreeMap<&TopicPartition, (i32, Option<&str>)> = BTreeMap::new();
    for member in members {
        let generation = member.generation.unwrap_or(-1);
        for partition in &member.owned {
            let claim = (generation, Some(member.member_id.as_str()));
            best.entry(partition)
                .and_modify(|held| {
                    if generation > held.0 {
                        *held = claim;
                    } else if generation == held.0 && held.1 != claim.1 {
                        held.1 = None;
                    }
                })
                .or_insert(claim);
        }
    }
    best.into_iter()
        .filter_map(|(partition, (_, owner))| Some((partition, owner?)))
        .collect()
}
