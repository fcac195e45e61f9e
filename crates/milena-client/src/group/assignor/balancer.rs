//! Balancing that moves as little as it can.
//!
//! Owns the balancing of partitions over members with equal or different
//! subscriptions; must not know claims, generations or two-step hand-over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assignments, MemberSubscription};
use crate::topology::TopicPartition;

/// Collects kept partitions, then spreads the rest and evens out.
pub(super) struct Balancer {
    member_ids: Vec<String>,
    /// Per topic: its partition count and the ranks of its subscribers.
    topics: BTreeMap<Arc<str>, Topic>,
    assigned: Vec<BTreeSet<TopicPartition>>,
    taken: BTreeSet<TopicPartition>,
    subscriptions_are_equal: bool,
}

struct Topic {
    partitions_count: i32,
    subscribers: Vec<usize>,
}

impl Balancer {
    pub(super) fn new(
        members: &[MemberSubscription],
        partitions: &BTreeMap<Arc<str>, i32>,
    ) -> Self {
        let by_id: BTreeMap<&str, &MemberSubscription> = members
            .iter()
            .map(|member| (member.member_id.as_str(), member))
            .collect();
        let mut topics = BTreeMap::new();
        for (topic, count) in partitions {
            let subscribers: Vec<usize> = by_id
                .values()
                .enumerate()
                .filter(|(_, member)| member.topics.contains(topic))
                .map(|(rank, _)| rank)
                .collect();
            if !subscribers.is_empty() {
                let topic_entry = Topic {
                    partitions_count: *count,
                    subscribers,
                };
                topics.insert(Arc::clone(topic), topic_entry);
            }
        }
        Self {
            subscriptions_are_equal: topics
                .values()
                .all(|topic| topic.subscribers.len() == by_id.len()),
            member_ids: by_id.keys().map(|id| (*id).to_owned()).collect(),
            assigned: vec![BTreeSet::new(); by_id.len()],
            taken: BTreeSet::new(),
            topics,
        }
    }

    /// Leaves `partition` with `owner`, if both exist and fit together.
    pub(super) fn keep(&mut self, partition: &TopicPartition, owner: &str) {
        let Ok(rank) = self
            .member_ids
            .binary_search_by(|member_id| member_id.as_str().cmp(owner))
        else {
            return;
        };
        let Some(topic) = self.topics.get(&partition.topic) else {
            return;
        };
        let exists = (0..topic.partitions_count).contains(&partition.partition);
        if exists && topic.subscribers.contains(&rank) && self.taken.insert(partition.clone()) {
            self.assigned[rank].insert(partition.clone());
        }
    }

    /// Spreads what nobody keeps, evens out, and returns the result.
    pub(super) fn balance(mut self) -> Assignments {
        if self.subscriptions_are_equal {
            self.shed_above_quota();
        }
        self.spread_unassigned();
        if !self.subscriptions_are_equal {
            while self.move_one_round() {}
        }
        self.member_ids
            .into_iter()
            .zip(self.assigned)
            .map(|(member_id, partitions)| (member_id, partitions.into_iter().collect()))
            .collect()
    }

    /// With equal subscriptions the quotas are known beforehand: keeping as
    /// many as the quota allows moves the fewest partitions.
    fn shed_above_quota(&mut self) {
        let members_count = self.assigned.len();
        if members_count == 0 {
            return;
        }
        let total: usize = self
            .topics
            .values()
            .map(|topic| usize::try_from(topic.partitions_count).unwrap_or(0))
            .sum();
        let quota = total / members_count;
        let mut larger_shares = total % members_count;
        for partitions in &mut self.assigned {
            let mut keep = quota;
            if partitions.len() > quota && larger_shares > 0 {
                larger_shares -= 1;
                keep += 1;
            }
            while partitions.len() > keep {
                if let Some(shed) = partitions.pop_last() {
                    self.taken.remove(&shed);
                }
            }
        }
    }

    /// Gives each free partition to its least loaded subscriber, partitions
    /// with the fewest subscribers first.
    fn spread_unassigned(&mut self) {
        let mut topics: Vec<(&Arc<str>, &Topic)> = self.topics.iter().collect();
        topics.sort_by_key(|(name, topic)| (topic.subscribers.len(), Arc::clone(name)));
        for (name, topic) in topics {
            for partition in 0..topic.partitions_count {
                let partition = TopicPartition {
                    topic: Arc::clone(name),
                    partition,
                };
                if self.taken.contains(&partition) {
                    continue;
                }
                if let Some(rank) = least_loaded(&topic.subscribers, &self.assigned) {
                    self.taken.insert(partition.clone());
                    self.assigned[rank].insert(partition);
                }
            }
        }
    }

    /// Moves partitions from members to subscribers with at least two fewer.
    /// Each move lowers the sum of squared loads, so the rounds end.
    fn move_one_round(&mut self) -> bool {
        let mut has_moved = false;
        for owner in 0..self.assigned.len() {
            for partition in self.assigned[owner].clone() {
                let Some(topic) = self.topics.get(&partition.topic) else {
                    continue;
                };
                let Some(target) = least_loaded(&topic.subscribers, &self.assigned) else {
                    continue;
                };
                if self.assigned[owner].len() > self.assigned[target].len() + 1 {
                    self.assigned[owner].remove(&partition);
                    self.assigned[target].insert(partition);
                    has_moved = true;
                }
            }
        }
        has_moved
    }
}

fn least_loaded(subscribers: &[usize], assigned: &[BTreeSet<TopicPartition>]) -> Option<usize> {
    subscribers
        .iter()
        .copied()
        .min_by_key(|rank| assigned[*rank].len())
}
