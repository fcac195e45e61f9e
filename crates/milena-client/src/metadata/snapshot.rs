//! The picture of the cluster that everybody reads: plain values, never changed once published.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::leaders::NamedLeader;
use crate::config::BrokerAddress;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ErrorCode;

/// The cluster as of one metadata response, merged with what was known before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClusterSnapshot {
    /// Counts up with every change of anything below; 0 before the first response.
    pub(crate) version: u64,
    /// The id that all brokers of the cluster share.
    pub(crate) cluster_id: Option<Arc<str>>,
    /// The node that takes topic creation and the like.
    pub(crate) controller: Option<NodeId>,
    /// The brokers that are up.
    pub(crate) brokers: HashMap<NodeId, Arc<BrokerAddress>>,
    /// The topics that were asked for and exist.
    pub(crate) topics: HashMap<Arc<str>, Arc<TopicMetadata>>,
    /// The topics that were asked for in the last response and were answered with an error.
    pub(crate) absent: HashMap<Arc<str>, ErrorCode>,
}

impl ClusterSnapshot {
    /// The topic, if it is known.
    pub(crate) fn topic(&self, name: &str) -> Option<&Arc<TopicMetadata>> {
        self.topics.get(name)
    }

    /// The topic, if it is known and the last answer did not deny it.
    pub(super) fn present_topic(&self, name: &str) -> Option<Arc<TopicMetadata>> {
        self.topic(name)
            .filter(|_| !self.absent.contains_key(name))
            .cloned()
    }

    /// The leader epoch of a partition, -1 when not known.
    pub(crate) fn leader_epoch(&self, partition: &TopicPartition) -> i32 {
        let known = self
            .topic(&partition.topic)
            .and_then(|topic| topic.partition(partition.partition));
        known.map_or(-1, |known| known.leader_epoch)
    }

    /// Whether this is what is known of a partition.
    pub(super) fn is_led_as(&self, named: &NamedLeader) -> bool {
        let name = &named.partition;
        let known = self
            .topic(&name.topic)
            .and_then(|topic| topic.partition(name.partition));
        known.is_some_and(|known| {
            known.leader == Some(named.leader) && known.leader_epoch == named.leader_epoch
        })
    }

    /// The leader of a partition, if the partition is known and has one.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<NodeId> {
        self.topic(topic)?.partition(partition)?.leader
    }
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicMetadata {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Its id (KIP-516); nil from brokers before 2.8. A topic deleted and created again has another.
    pub(crate) id: Uuid,
    /// Its partitions, sorted by index, without gaps.
    pub(crate) partitions: Vec<PartitionMetadata>,
}

impl TopicMetadata {
    /// The partition at `index`, if there is one.
    pub(crate) fn partition(&self, index: i32) -> Option<&PartitionMetadata> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionMetadata {
    /// Its index within the topic.
    pub(crate) index: i32,
    /// The broker that takes its reads and writes; none while there is an election.
    pub(crate) leader: Option<NodeId>,
    /// Counts the elections; -1 from brokers that do not tell.
    pub(crate) leader_epoch: i32,
    /// The brokers that should hold it, the preferred leader first.
    pub(crate) replicas: Vec<NodeId>,
    /// Those of them that are in sync.
    pub(crate) isr: Vec<NodeId>,
    /// Why it cannot be used now, if so.
    pub(crate) error: Option<ErrorCode>,
}
