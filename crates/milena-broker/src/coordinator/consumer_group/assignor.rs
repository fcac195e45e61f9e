//! Who is to have which partition: the assignors of the coordinator.
//!
//! Owns the strategies `uniform` and `range`; must not know epochs or requests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use super::{ConsumerGroup, Member, PartitionSet, TopicShape};

/// A strategy of the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub(crate) enum ServerAssignor {
    /// Everybody the same number of partitions, moving as few as possible.
    #[default]
    Uniform,
    /// Topic by topic, contiguous runs of partitions in the order of the members.
    Range,
}

impl ServerAssignor {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ServerAssignor::Uniform => "uniform",
            ServerAssignor::Range => "range",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(ServerAssignor::Uniform),
            "range" => Some(ServerAssignor::Range),
            _ => None,
        }
    }
}

impl fmt::Display for ServerAssignor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

type Targets = BTreeMap<Arc<str>, PartitionSet>;

impl ConsumerGroup {
    /// Computes the targets of the group's epoch if that has not been done.
    pub(super) fn assign(&mut self) {
        if self.target_epoch == self.epoch {
            return;
        }
        self.assignor = self.preferred_assignor();
        self.targets = match self.assignor {
            ServerAssignor::Uniform => uniform(&self.members, &self.topics, &self.targets),
            ServerAssignor::Range => range(&self.members, &self.topics),
        };
        self.target_epoch = self.epoch;
        self.is_changed = true;
    }

    /// The one most members ask for; the first of the configuration if none does.
    fn preferred_assignor(&self) -> ServerAssignor {
        let mut votes: BTreeMap<ServerAssignor, usize> = BTreeMap::new();
        for assignor in self.members.values().filter_map(|member| member.assignor) {
            *votes.entry(assignor).or_default() += 1;
        }
        let most = votes.into_iter().max_by_key(|(_, count)| *count);
        let default = self.settings.assignors.first().copied();
        most.map(|(assignor, _)| assignor)
            .or(default)
            .unwrap_or_default()
    }
}

fn nothing(members: &BTreeMap<Arc<str>, Member>) -> Targets {
    let ids = members.keys().cloned();
    ids.map(|id| (id, PartitionSet::new())).collect()
}

fn range(members: &BTreeMap<Arc<str>, Member>, topics: &BTreeMap<Arc<str>, TopicShape>) -> Targets {
    let mut targets = nothing(members);
    let mut ordered: Vec<&Member> = members.values().collect();
    ordered.sort_by_key(|member| {
        let instance = member.instance_id.as_deref();
        (instance.is_none(), instance, &*member.id)
    });
    for (name, shape) in topics {
        let subscribers: Vec<&&Member> = ordered
            .iter()
            .filter(|member| member.subscribes_to(name))
            .collect();
        let Some(count) = i32::try_from(subscribers.len())
            .ok()
            .filter(|count| *count > 0)
        else {
            continue;
        };
        let (share, extra) = (shape.partitions / count, shape.partitions % count);
        let mut next = 0;
        for (rank, member) in (0..).zip(subscribers) {
            let end = next + share + i32::from(rank < extra);
            if let Some(target) = targets.get_mut(&member.id) {
                target.extend((next..end).map(|partition| (shape.id, partition)));
            }
            next = end;
        }
    }
    targets
}

fn uniform(
    members: &BTreeMap<Arc<str>, Member>,
    topics: &BTreeMap<Arc<str>, TopicShape>,
    former: &Targets,
) -> Targets {
    let mut targets = nothing(members);
    let mut subscribers = HashMap::new();
    let mut free = PartitionSet::new();
    for (name, shape) in topics {
        let own = members.values().filter(|member| member.subscribes_to(name));
        let own: BTreeSet<&Arc<str>> = own.map(|member| &member.id).collect();
        if !own.is_empty() {
            subscribers.insert(shape.id, own);
            free.extend((0..shape.partitions).map(|partition| (shape.id, partition)));
        }
    }
    for (id, partitions) in former {
        let Some(target) = targets.get_mut(id) else {
            continue;
        };
        for partition in partitions {
            let may_keep = subscribers
                .get(&partition.0)
                .is_some_and(|own| own.contains(id));
            if may_keep && free.remove(partition) {
                target.insert(*partition);
            }
        }
    }
    for partition in free {
        let own = subscribers.get(&partition.0).into_iter().flatten();
        let least = own
            .min_by_key(|id| load(&targets, id))
            .map(|id| Arc::clone(id));
        if let Some(target) = least.and_then(|id| targets.get_mut(&id)) {
            target.insert(partition);
        }
    }
    while let Some(next) = better_place(&targets, &subscribers) {
        if let Some(target) = targets.get_mut(&next.from) {
            target.remove(&next.partition);
        }
        if let Some(target) = targets.get_mut(&next.to) {
            target.insert(next.partition);
        }
    }
    targets
}

/// A partition that is to go from one member to another.
struct Move {
    partition: (uuid::Uuid, i32),
    from: Arc<str>,
    to: Arc<str>,
}

fn load(targets: &Targets, id: &Arc<str>) -> usize {
    targets.get(id).map_or(0, PartitionSet::len)
}

/// A partition of the most loaded member that a subscriber with at least two fewer
/// could have. Each such move lowers the sum of squared loads, so they end.
fn better_place(
    targets: &Targets,
    subscribers: &HashMap<uuid::Uuid, BTreeSet<&Arc<str>>>,
) -> Option<Move> {
    let mut owners: Vec<(&Arc<str>, &PartitionSet)> = targets.iter().collect();
    owners.sort_by_key(|(_, partitions)| std::cmp::Reverse(partitions.len()));
    for (owner, partitions) in owners {
        // Partitions of one topic have the same places to go to.
        let mut seen = None;
        for partition in partitions.iter().rev() {
            if seen.replace(partition.0) == Some(partition.0) {
                continue;
            }
            let own = subscribers.get(&partition.0).into_iter().flatten();
            let Some(least) = own.min_by_key(|id| load(targets, id)) else {
                continue;
            };
            if load(targets, least) + 1 < partitions.len() {
                return Some(Move {
                    partition: *partition,
                    from: Arc::clone(owner),
                    to: Arc::clone(least),
                });
            }
        }
    }
    None
}
