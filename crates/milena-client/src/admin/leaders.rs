//! Requests that go to the leaders of partitions, and elections of new leaders (KIP-183, KIP-460).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::offsets::find_leader;
use super::{Admin, PerItem, check, text};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::messages::elect_leaders_request::TopicPartitions;
use crate::wire::messages::{ElectLeadersRequest, TopicName};
use crate::wire::{ApiKey, ErrorCode};

/// Who may become the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionType {
    /// The first replica of the partition, if it is in sync.
    Preferred,
    /// Any replica, if none is in sync: records that only others had are lost.
    Unclean,
}

impl Admin {
    /// Elects leaders of these partitions, or of all for which it is worthwhile.
    ///
    /// Each partition has its own result. ELECTION_NOT_NEEDED means that the leader is the right one
    /// already. Asked for all, only partitions with an election are in the result.
    ///
    /// # Errors
    /// If no controller answered.
    pub async fn elect_leaders(
        &self,
        election: ElectionType,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<PerItem<(), TopicPartition>, Error> {
        let topics = partitions.map(|partitions| {
            let by_topic = by_topic(partitions).into_iter();
            let topics = by_topic.map(|(name, partitions)| {
                TopicPartitions::default()
                    .with_topic(TopicName(text(name)))
                    .with_partitions(partitions)
            });
            topics.collect()
        });
        let request = ElectLeadersRequest::default()
            .with_election_type(match election {
                ElectionType::Preferred => 0,
                ElectionType::Unclean => 1,
            })
            .with_topic_partitions(topics)
            .with_timeout_ms(self.broker_timeout_ms());
        // Version 0 knows preferred leaders only, and cannot say that it was refused as a whole.
        let response = self
            .retry("election of leaders", || async {
                let connection = self.controller().await?;
                let version = connection
                    .version_within(ApiKey::ElectLeaders, 1, 2)
                    .ok_or_else(|| connection.unsupported("ElectLeaders"))?;
                let response = connection.call_at(&request, version, self.timeout).await?;
                check(response.error_code, None, || {
                    "election of leaders".to_owned()
                })?;
                Ok(response)
            })
            .await?;
        let mut results = Vec::new();
        for topic in &response.replica_election_results {
            let name: Arc<str> = topic.topic.as_str().into();
            for row in &topic.partition_result {
                let partition = TopicPartition::new(Arc::clone(&name), row.partition_id);
                let result = check(row.error_code, row.error_message.as_ref(), || {
                    format!("cannot elect the leader of {partition}")
                });
                results.push((partition, result));
            }
        }
        results.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(results)
    }

    /// Partitions by their leaders, and those without one with the reason.
    pub(super) async fn by_leader<T>(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> Result<ByLeader<T>, Error> {
        let topics: BTreeSet<Arc<str>> = partitions
            .iter()
            .map(|partition| Arc::clone(&partition.topic))
            .collect();
        let topics: Vec<Arc<str>> = topics.into_iter().collect();
        let metadata = self.metadata(Some(&topics)).await?;
        let mut by_leader: BTreeMap<NodeId, Vec<TopicPartition>> = BTreeMap::new();
        let mut without = Vec::new();
        for partition in partitions {
            match find_leader(&metadata, &partition) {
                Ok(leader) => by_leader.entry(leader).or_default().push(partition),
                Err(error) => without.push((partition, Err(error))),
            }
        }
        Ok((by_leader, without))
    }
}

/// See [`Admin::by_leader`].
pub(super) type ByLeader<T> = (
    BTreeMap<NodeId, Vec<TopicPartition>>,
    PerItem<T, TopicPartition>,
);

/// A leader that does not know a partition which metadata has will know it soon.
pub(super) fn still_spreading(error: Error) -> Error {
    match error {
        Error::Broker {
            code: ErrorCode::UnknownTopicOrPartition,
            context,
        } => Error::broker(ErrorCode::LeaderNotAvailable, context),
        other => other,
    }
}

/// The indexes of partitions by their topics.
pub(super) fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<&str, Vec<i32>> {
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        let indexes = by_topic.entry(&partition.topic).or_default();
        if !indexes.contains(&partition.partition) {
            indexes.push(partition.partition);
        }
    }
    by_topic
}
