//! From what a member has to what it shall have.
//!
//! Owns the order: first give up, then take over what is new, one such step at a
//! time; and the names of topics, which the coordinator only tells by id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Action, ConsumerProtocolMember, PartitionId, Phase};
use crate::topology::TopicPartition;

impl ConsumerProtocolMember {
    /// The names of topics that were asked for, as far as they are known.
    pub(crate) fn on_names(&mut self, names: BTreeMap<Uuid, Arc<str>>, now: Instant) {
        self.is_naming = false;
        self.names.extend(names);
        if self.lacks_names() {
            // The broker that was asked may not have heard of the topic yet.
            self.name_again_at = Some(now + self.backoff.next_delay());
        }
        self.reconcile(false, now);
        if self.has_news() {
            self.next_heartbeat = self.next_heartbeat.min(now);
        }
    }

    /// Takes a step towards the target, unless one is under way. `tells_always`
    /// starts even without anything new, to tell of a new membership.
    pub(super) fn reconcile(&mut self, tells_always: bool, now: Instant) {
        if self.phase != Phase::Active || self.jobs > 0 || !self.identity.is_member() {
            return;
        }
        let is_gone = |id: &&PartitionId| !self.target.contains(id);
        let gone: Vec<PartitionId> = self.owned.keys().filter(is_gone).copied().collect();
        if !gone.is_empty() {
            let partitions = gone.iter().filter_map(|id| self.owned.remove(id)).collect();
            self.giving_up.extend(gone);
            self.jobs += 1;
            self.actions.push(Action::Revoke(partitions));
            return;
        }
        let (mut added, mut anew) = (Vec::new(), Vec::new());
        for id in &self.target {
            if let (false, Some(name)) = (self.owned.contains_key(id), self.names.get(&id.0)) {
                let partition = TopicPartition::new(Arc::clone(name), id.1);
                let mut names = self.names.iter();
                let replaces_another = names.any(|(other, named)| *other != id.0 && named == name);
                match replaces_another {
                    true => anew.push(partition.clone()),
                    false => added.push(partition.clone()),
                }
                self.owned.insert(*id, partition);
            }
        }
        if !added.is_empty() || tells_always {
            self.actions.push(Action::Start(added));
        }
        if !anew.is_empty() {
            // Those that were replaced will not come back.
            self.names.retain(|topic, name| {
                let is_wanted = self.target.iter().any(|(wanted, _)| wanted == topic);
                is_wanted || !anew.iter().any(|partition| partition.topic == *name)
            });
            self.actions.push(Action::StartAnew(anew));
        }
        if self.lacks_names() && self.name_again_at.is_none_or(|at| at <= now) {
            self.ask_for_names();
        }
    }

    pub(super) fn ask_for_names(&mut self) {
        let unknown = self.target.iter().map(|(topic, _)| *topic);
        let unknown: BTreeSet<Uuid> = unknown
            .filter(|topic| !self.names.contains_key(topic))
            .collect();
        if !self.is_naming && !unknown.is_empty() {
            self.is_naming = true;
            self.actions.push(Action::NameTopics(unknown));
        }
    }

    fn lacks_names(&self) -> bool {
        let mut topics = self.target.iter().map(|(topic, _)| topic);
        topics.any(|topic| !self.names.contains_key(topic))
    }

    pub(super) fn revoke_owned(&mut self) {
        let owned = std::mem::take(&mut self.owned);
        if owned.is_empty() {
            return;
        }
        self.giving_up.extend(owned.keys().copied());
        self.jobs += 1;
        self.actions
            .push(Action::Revoke(owned.into_values().collect()));
    }

    /// Drops the partitions without a commit: they are somebody else's already.
    pub(super) fn lose_owned(&mut self) {
        let owned = std::mem::take(&mut self.owned);
        if owned.is_empty() {
            return;
        }
        self.jobs += 1;
        self.actions
            .push(Action::Lose(owned.into_values().collect()));
    }
}
