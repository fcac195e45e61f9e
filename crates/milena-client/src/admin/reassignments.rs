//! Moving partitions between brokers (KIP-455).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::leaders::by_topic;
use super::{Admin, PerItem, check, text};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use crate::wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use crate::wire::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ListPartitionReassignmentsRequest, TopicName,
};

/// A partition on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reassignment {
    /// The partition.
    pub partition: TopicPartition,
    /// All its replicas, old and new ones.
    pub replicas: Vec<NodeId>,
    /// Those that are catching up.
    pub adding: Vec<NodeId>,
    /// Those that will go when the new ones are in sync.
    pub removing: Vec<NodeId>,
}

/// Where a partition is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewReplicas {
    /// To these brokers, the preferred leader first.
    On(Vec<NodeId>),
    /// Nowhere: a reassignment that is going on is taken back.
    Cancel,
}

impl Admin {
    /// Begins to move partitions, or stops it; returns before the data is copied, see
    /// [`Admin::list_reassignments`]. Each partition has its own result.
    pub async fn reassign_partitions(
        &self,
        partitions: &[(TopicPartition, NewReplicas)],
    ) -> PerItem<(), TopicPartition> {
        let targets: &BTreeMap<TopicPartition, NewReplicas> = &partitions.iter().cloned().collect();
        let asked: Vec<TopicPartition> = partitions.iter().map(|(key, _)| key.clone()).collect();
        self.each("reassignment of partitions", &asked, |open| async move {
            let request = self.reassignment(&open, targets);
            let connection = self.controller().await?;
            let response = connection.call(&request, self.timeout).await?;
            check(response.error_code, response.error_message.as_ref(), || {
                "reassignment of partitions".to_owned()
            })?;
            let mut results = Vec::with_capacity(open.len());
            for topic in &response.responses {
                let name: Arc<str> = topic.name.as_str().into();
                for row in &topic.partitions {
                    let partition = TopicPartition::new(Arc::clone(&name), row.partition_index);
                    let result = check(row.error_code, row.error_message.as_ref(), || {
                        format!("cannot move {partition}")
                    });
                    results.push((partition, result));
                }
            }
            Ok(results)
        })
        .await
    }

    fn reassignment(
        &self,
        open: &[TopicPartition],
        targets: &BTreeMap<TopicPartition, NewReplicas>,
    ) -> AlterPartitionReassignmentsRequest {
        let mut by_topic: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for partition in open {
            let replicas = match targets.get(partition) {
                Some(NewReplicas::On(nodes)) => {
                    Some(nodes.iter().map(|node| BrokerId(node.0)).collect())
                }
                _ => None,
            };
            let row = ReassignablePartition::default()
                .with_partition_index(partition.partition)
                .with_replicas(replicas);
            by_topic.entry(&partition.topic).or_default().push(row);
        }
        let topics = by_topic.into_iter().map(|(name, partitions)| {
            ReassignableTopic::default()
                .with_name(TopicName(text(name)))
                .with_partitions(partitions)
        });
        AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(self.broker_timeout_ms())
            .with_topics(topics.collect())
    }

    /// The partitions that are being moved, of these or of all, sorted.
    ///
    /// # Errors
    /// If no controller answered.
    pub async fn list_reassignments(
        &self,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Vec<Reassignment>, Error> {
        let topics = partitions.map(|partitions| {
            let by_topic = by_topic(partitions).into_iter();
            let topics = by_topic.map(|(name, indexes)| {
                ListPartitionReassignmentsTopics::default()
                    .with_name(TopicName(text(name)))
                    .with_partition_indexes(indexes)
            });
            topics.collect()
        });
        let request = ListPartitionReassignmentsRequest::default()
            .with_timeout_ms(self.broker_timeout_ms())
            .with_topics(topics);
        let response = self
            .retry("list of reassignments", || async {
                let connection = self.controller().await?;
                let response = connection.call(&request, self.timeout).await?;
                check(response.error_code, response.error_message.as_ref(), || {
                    "list of reassignments".to_owned()
                })?;
                Ok(response)
            })
            .await?;
        let nodes = |ids: &[BrokerId]| ids.iter().map(|id| NodeId(id.0)).collect();
        let mut moving = Vec::new();
        for topic in &response.topics {
            let name: Arc<str> = topic.name.as_str().into();
            moving.extend(topic.partitions.iter().map(|row| Reassignment {
                partition: TopicPartition::new(Arc::clone(&name), row.partition_index),
                replicas: nodes(&row.replicas),
                adding: nodes(&row.adding_replicas),
                removing: nodes(&row.removing_replicas),
            }));
        }
        moving.sort_by(|left, right| left.partition.cmp(&right.partition));
        Ok(moving)
    }
}
