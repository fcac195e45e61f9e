//! The round robin assignor: one partition after the other, one member after
//! the other.
//!
//! Owns the round robin strategy, equal to the Java client's; must not know
//! owned partitions or generations.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Assignments, MemberSubscription, in_order, nothing};
use crate::topology::TopicPartition;

/// Deals the partitions of all topics, sorted, to the members in turn. Whoever
/// does not subscribe to a partition's topic is passed over and has lost its
/// turn.
pub(super) fn assign(
    members: &[MemberSubscription],
    partitions: &BTreeMap<Arc<str>, i32>,
) -> Assignments {
    let mut assignments = nothing(members);
    let ordered = in_order(members);
    let mut turns = ordered.iter().cycle();
    for (topic, count) in partitions {
        if !ordered.iter().any(|member| member.topics.contains(topic)) {
            continue;
        }
        for partition in 0..*count {
            let next = turns.find(|member| member.topics.contains(topic));
            let assigned = next.and_then(|member| assignments.get_mut(&member.member_id));
            if let Some(assigned) = assigned {
                assigned.push(TopicPartition {
                    topic: Arc::clone(topic),
                    partition,
                });
            }
        }
    }
    assignments
}
