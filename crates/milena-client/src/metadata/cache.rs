//! Merging what a broker says into what is known. A plain state machine: no network, no clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::leaders::NamedLeaders;
use super::snapshot::{ClusterSnapshot, PartitionMetadata, TopicMetadata};
use crate::config::BrokerAddress;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ErrorCode;
use crate::wire::messages::MetadataResponse;
use crate::wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};

/// A topic that brokers keep denying for this long is gone. Until then it is taken for a broker that
/// does not know yet, and nothing of the topic is forgotten.
pub(super) const TOPIC_GONE_AFTER: Duration = Duration::from_secs(30);
/// More partitions than a cluster can have; an index beyond is not believed.
const PARTITIONS_PER_TOPIC_MAX: usize = 1_000_000;

/// The newest picture, and since when topics of it are denied.
#[derive(Debug, Default)]
pub(super) struct Cache {
    snapshot: ClusterSnapshot,
    denied_since: HashMap<Arc<str>, Instant>,
}

/// What a merge did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Merged {
    /// The picture changed.
    pub(super) is_changed: bool,
    /// Topics that were denied for too long and are forgotten.
    pub(super) gone: Vec<Arc<str>>,
}

impl Cache {
    /// The newest picture.
    pub(super) fn snapshot(&self) -> &ClusterSnapshot {
        &self.snapshot
    }

    /// Merges the answer to a request for the topics `asked`. The version counts up if anything
    /// changed.
    pub(super) fn merge(
        &mut self,
        asked: &[Arc<str>],
        response: MetadataResponse,
        now: Instant,
    ) -> Merged {
        let mut next = self.snapshot.clone();
        merge_cluster(&mut next, &response);
        let mut answers: HashMap<Arc<str>, MetadataResponseTopic> = HashMap::new();
        for topic in response.topics {
            if let Some(name) = topic.name.as_ref().map(|name| Arc::from(name.as_str())) {
                answers.insert(name, topic);
            }
        }
        let mut gone = Vec::new();
        for name in asked {
            match answers
                .remove(name)
                .map(|topic| (ErrorCode::from(topic.error_code), topic))
            {
                Some((ErrorCode::None, topic)) => {
                    self.denied_since.remove(name);
                    next.absent.remove(name);
                    merge_topic(&mut next, name, &topic);
                }
                Some((code, _)) => self.deny(&mut next, name, code, now, &mut gone),
                None => {
                    let code = ErrorCode::UnknownTopicOrPartition;
                    self.deny(&mut next, name, code, now, &mut gone);
                }
            }
        }
        let is_changed = next != self.snapshot;
        if is_changed {
            next.version += 1;
            self.snapshot = next;
        }
        Merged { is_changed, gone }
    }

    /// Merges only what an answer says of the cluster itself.
    pub(super) fn learn_cluster(&mut self, response: &MetadataResponse) -> bool {
        let mut next = self.snapshot.clone();
        merge_cluster(&mut next, response);
        let is_changed = next != self.snapshot;
        if is_changed {
            next.version += 1;
            self.snapshot = next;
        }
        is_changed
    }

    /// Adds a broker that another answer named, if it is not known.
    pub(super) fn learn_broker(&mut self, node: NodeId, address: BrokerAddress) -> bool {
        if self
            .snapshot
            .brokers
            .get(&node)
            .is_some_and(|known| **known == address)
        {
            return false;
        }
        self.snapshot.brokers.insert(node, Arc::new(address));
        self.snapshot.version += 1;
        true
    }

    /// Takes over leaders of newer epochs than are known, if they can be reached; gives their
    /// partitions (KIP-951).
    pub(super) fn learn_leaders(&mut self, named: &NamedLeaders) -> Vec<TopicPartition> {
        let mut learned = Vec::new();
        for one in &named.leaders {
            let name = &one.partition;
            let endpoint = named.endpoints.get(&one.leader);
            let is_reachable =
                endpoint.is_some() || self.snapshot.brokers.contains_key(&one.leader);
            let Some(topic) = self.snapshot.topics.get_mut(&name.topic) else {
                continue;
            };
            let index = usize::try_from(name.partition).unwrap_or(usize::MAX);
            let is_news = topic
                .partitions
                .get(index)
                .is_some_and(|known| known.leader_epoch < one.leader_epoch);
            if !is_news || !is_reachable {
                continue;
            }
            if let Some(known) = Arc::make_mut(topic).partitions.get_mut(index) {
                known.leader = Some(one.leader);
                known.leader_epoch = one.leader_epoch;
                known.error = None;
            }
            if let Some(endpoint) = endpoint {
                let endpoint = Arc::new(endpoint.clone());
                self.snapshot.brokers.insert(one.leader, endpoint);
            }
            learned.push(name.clone());
        }
        if !learned.is_empty() {
            self.snapshot.version += 1;
        }
        learned
    }

    /// Forgets that `name` was answered with an error: nobody asks for it any more.
    pub(super) fn forget_absent(&mut self, name: &str) {
        self.snapshot.absent.remove(name);
    }

    /// A broker says that it does not have the topic. What is known stays, but for a topic that is
    /// denied for long (pitfall 3).
    fn deny(
        &mut self,
        next: &mut ClusterSnapshot,
        name: &Arc<str>,
        code: ErrorCode,
        now: Instant,
        gone: &mut Vec<Arc<str>>,
    ) {
        next.absent.insert(Arc::clone(name), code);
        let since = *self.denied_since.entry(Arc::clone(name)).or_insert(now);
        if now.saturating_duration_since(since) >= TOPIC_GONE_AFTER {
            self.denied_since.remove(name);
            next.topics.remove(name);
            gone.push(Arc::clone(name));
        }
    }
}

fn merge_cluster(next: &mut ClusterSnapshot, response: &MetadataResponse) {
    if let Some(id) = &response.cluster_id {
        let id: Arc<str> = Arc::from(id.as_str());
        if next.cluster_id.as_ref().is_some_and(|known| *known != id) {
            tracing::warn!(event = "cluster_id_changed", cluster_id = %id);
        }
        next.cluster_id = Some(id);
    }
    next.controller = node(response.controller_id.0);
    // A broker that is just starting may know no other yet, not even itself.
    if response.brokers.is_empty() {
        return;
    }
    next.brokers = response
        .brokers
        .iter()
        .filter_map(|broker| {
            let port = u16::try_from(broker.port).ok()?;
            let address = BrokerAddress {
                host: broker.host.to_string(),
                port,
            };
            Some((node(broker.node_id.0)?, Arc::new(address)))
        })
        .collect();
}

fn merge_topic(next: &mut ClusterSnapshot, name: &Arc<str>, topic: &MetadataResponseTopic) {
    let known = next
        .topics
        .get(name)
        .filter(|known| known.id == topic.topic_id);
    let mut partitions = known.map_or_else(Vec::new, |known| known.partitions.clone());
    let mut answered: Vec<&MetadataResponsePartition> = topic.partitions.iter().collect();
    answered.sort_by_key(|partition| partition.partition_index);
    for partition in answered {
        let update = read_partition(partition);
        let Ok(index) = usize::try_from(update.index) else {
            continue;
        };
        if index >= PARTITIONS_PER_TOPIC_MAX {
            continue;
        }
        while partitions.len() < index {
            partitions.push(unknown_partition(partitions.len()));
        }
        match partitions.get_mut(index) {
            Some(known) if is_stale(known, &update) => {}
            Some(known) => *known = update,
            None => partitions.push(update),
        }
    }
    let merged = TopicMetadata {
        name: Arc::clone(name),
        id: topic.topic_id,
        partitions,
    };
    if next.topics.get(name).is_none_or(|known| **known != merged) {
        next.topics.insert(Arc::clone(name), Arc::new(merged));
    }
}

/// An update is stale only if its leader epoch is strictly older: the same epoch, or one that the
/// broker does not tell, must be able to move a partition (pitfall 11).
fn is_stale(known: &PartitionMetadata, update: &PartitionMetadata) -> bool {
    update.leader_epoch >= 0 && update.leader_epoch < known.leader_epoch
}

fn read_partition(partition: &MetadataResponsePartition) -> PartitionMetadata {
    let code = ErrorCode::from(partition.error_code);
    let nodes = |ids: &[crate::wire::messages::BrokerId]| {
        ids.iter().map(|id| NodeId(id.0)).collect::<Vec<_>>()
    };
    PartitionMetadata {
        index: partition.partition_index,
        leader: node(partition.leader_id.0),
        leader_epoch: partition.leader_epoch,
        replicas: nodes(&partition.replica_nodes),
        isr: nodes(&partition.isr_nodes),
        error: (code != ErrorCode::None).then_some(code),
    }
}

/// Stands in for a partition that an answer left out, until one tells of it.
fn unknown_partition(index: usize) -> PartitionMetadata {
    PartitionMetadata {
        index: i32::try_from(index).unwrap_or(i32::MAX),
        leader: None,
        leader_epoch: -1,
        replicas: Vec::new(),
        isr: Vec::new(),
        error: Some(ErrorCode::LeaderNotAvailable),
    }
}

fn node(id: i32) -> Option<NodeId> {
    (id >= 0).then_some(NodeId(id))
}

#[cfg(test)]
mod tests;
