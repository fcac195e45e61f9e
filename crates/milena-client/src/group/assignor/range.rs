//! The range assignor: contiguous runs of partitions, topic by topic.
//!
//! Owns the range strategy, equal to the Java client's without racks; must not
//! know owned partitions or generations.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Assignments, MemberSubscription, in_order, nothing};
use crate::topology::TopicPartition;

/// Gives each topic's subscribers, in a fixed order, a run of its partitions.
///
/// The order does not depend on the topic: topics with equal counts and equal
/// subscribers are co-partitioned.
pub(super) fn assign(
    members: &[MemberSubscription],
    partitions: &BTreeMap<Arc<str>, i32>,
) -> Assignments {
    let mut assignments = nothing(members);
    let ordered = in_order(members);
    for (topic, count) in partitions {
        let subscribers: Vec<&str> = ordered
            .iter()
            .filter(|member| member.topics.contains(topic))
            .map(|member| member.member_id.as_str())
            .collect();
        assign_topic(topic, *count, &subscribers, &mut assignments);
    }
    assignments
}

fn assign_topic(topic: &Arc<str>, count: i32, subscribers: &[&str], out: &mut Assignments) {
    let Ok(members_count) = i32::try_from(subscribers.len()) else {
        return;
    };
    if members_count == 0 {
        return;
    }
    let (share, extra) = (count / members_count, count % members_count);
    let mut next = 0;
    for (rank, member_id) in (0..).zip(subscribers) {
        let length = share + i32::from(rank < extra);
        if let Some(assigned) = out.get_mut(*member_id) {
            assigned.extend((next..next + length).map(|partition| TopicPartition {
                topic: Arc::clone(topic),
                partition,
            }));
        }
        next += length;
    }
}
