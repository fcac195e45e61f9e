//! Leaders that answers to other requests name (KIP-951).
//!
//! Owns what such an answer tells, and when it makes a refresh unnecessary; the merging is
//! `cache`'s.

use std::collections::HashMap;

use super::Metadata;
use crate::config::BrokerAddress;
use crate::topology::{NodeId, TopicPartition};

/// Who leads some partitions, as one answer tells.
#[derive(Debug, Default)]
pub(crate) struct NamedLeaders {
    pub(crate) leaders: Vec<NamedLeader>,
    /// Where the leaders can be reached.
    pub(crate) endpoints: HashMap<NodeId, BrokerAddress>,
}

/// Who leads one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedLeader {
    pub(crate) partition: TopicPartition,
    pub(crate) leader: NodeId,
    pub(crate) leader_epoch: i32,
}

impl NamedLeaders {
    /// Takes in what an answer says of a partition; a negative leader is none.
    pub(crate) fn name(&mut self, partition: TopicPartition, leader: i32, leader_epoch: i32) {
        if leader >= 0 && leader_epoch >= 0 {
            self.leaders.push(NamedLeader {
                partition,
                leader: NodeId(leader),
                leader_epoch,
            });
        }
    }

    /// Takes in where a node can be reached; nonsense is left out.
    pub(crate) fn reach(&mut self, node: i32, host: &str, port: i32) {
        if let Ok(port) = u16::try_from(port)
            && node >= 0
        {
            let host = host.to_owned();
            self.endpoints
                .insert(NodeId(node), BrokerAddress { host, port });
        }
    }
}

impl Metadata {
    /// Takes over the leaders that `answering` named, and asks for a refresh if they do not explain
    /// all that is `stale`.
    pub(crate) fn learn_leaders(
        &self,
        answering: NodeId,
        named: &NamedLeaders,
        stale: &[TopicPartition],
    ) {
        let mut explained = Vec::new();
        if !named.leaders.is_empty() {
            let mut state = self.lock();
            let learned = state.cache.learn_leaders(named);
            if !learned.is_empty() {
                tracing::debug!(event = "leaders_learned", node = %answering, partitions = learned.len());
                self.publish(&state);
            }
            explained = learned;
            // Somebody else may have learned it before.
            let known = named.leaders.iter().filter(|named| {
                named.leader != answering && state.cache.snapshot().is_led_as(named)
            });
            explained.extend(known.map(|named| named.partition.clone()));
        }
        if stale.iter().any(|partition| !explained.contains(partition)) {
            self.request_refresh();
        }
    }
}

#[cfg(test)]
mod tests;
