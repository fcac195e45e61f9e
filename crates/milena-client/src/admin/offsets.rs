//! Offsets: where partitions begin and end, what groups have committed, and the lag between the two.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::groups::owners;
use super::{Admin, PerItem, check};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::{
    BrokerId, GroupId, ListOffsetsRequest, ListOffsetsResponse, MetadataResponse,
    OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// From the first with one offset per partition to the last without a timeout field.
const LIST_OFFSETS_VERSIONS: (i16, i16) = (1, 9);
/// From the first that can ask for all partitions to the last with one group per request.
const OFFSET_FETCH_VERSIONS: (i16, i16) = (2, 7);
/// Clients are no replica.
const NO_REPLICA: BrokerId = BrokerId(-1);

/// Which offset of a partition is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetAt {
    /// The first record that is still there.
    Earliest,
    /// Where the next record will be written.
    Latest,
    /// The first record of this time (milliseconds since 1970-01-01 UTC) or later.
    Timestamp(i64),
}

impl OffsetAt {
    fn to_wire(self) -> i64 {
        match self {
            Self::Earliest => -2,
            Self::Latest => -1,
            Self::Timestamp(milliseconds) => milliseconds.max(0),
        }
    }
}

/// What a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommittedOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the next record to be processed.
    pub offset: i64,
    /// The epoch of the leader it was read from; -1 if not told.
    pub leader_epoch: i32,
    /// What the committer added.
    pub metadata: String,
}

/// How far a group is behind on one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionLag {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the next record to be processed; none if nothing was committed.
    pub committed: Option<i64>,
    /// The offset of the first record that is still there; none if it could not be found out.
    pub start: Option<i64>,
    /// Where the next record will be written; none if it could not be found out.
    pub end: Option<i64>,
    /// The member it is assigned to, if any.
    pub member_id: Option<String>,
}

impl PartitionLag {
    /// How many records are not processed yet: from the committed offset, or else from the start of
    /// the partition, to its end. None if an offset is not known.
    #[must_use]
    pub fn lag(&self) -> Option<i64> {
        let from = self.committed.or(self.start)?;
        Some((self.end? - from).max(0))
    }
}

impl Admin {
    /// Offsets of partitions, from their leaders, sorted by partition. `None` means that no record is
    /// of that time or later.
    ///
    /// # Errors
    /// Only if no broker answered; each partition has its own result.
    pub async fn list_offsets(
        &self,
        partitions: &[TopicPartition],
        at: OffsetAt,
    ) -> Result<PerItem<Option<i64>, TopicPartition>, Error> {
        let wanted: BTreeSet<&TopicPartition> = partitions.iter().collect();
        let found: Mutex<BTreeMap<TopicPartition, OffsetResult>> = Mutex::default();
        let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self
            .retry("list of offsets", || async {
                let open: Vec<&TopicPartition> = {
                    let found = lock();
                    let is_open = |wanted: &&TopicPartition| found.get(*wanted).is_none_or(is_open);
                    wanted.iter().copied().filter(is_open).collect()
                };
                let answers = self.list_offsets_once(&open, at).await?;
                let mut found = lock();
                found.extend(answers);
                let failed = found.values().find(|result| is_open(result));
                failed.cloned().map_or(Ok(()), |failed| failed.map(drop))
            })
            .await;
        let found = std::mem::take(&mut *lock());
        if found.len() < wanted.len() {
            outcome?;
        }
        Ok(found.into_iter().collect())
    }

    /// Asks each leader once.
    async fn list_offsets_once(
        &self,
        partitions: &[&TopicPartition],
        at: OffsetAt,
    ) -> Result<BTreeMap<TopicPartition, OffsetResult>, Error> {
        let topics: BTreeSet<Arc<str>> = partitions
            .iter()
            .map(|partition| Arc::clone(&partition.topic))
            .collect();
        let topics: Vec<Arc<str>> = topics.into_iter().collect();
        let metadata = self.metadata(Some(&topics)).await?;
        let mut results = BTreeMap::new();
        let mut by_leader: BTreeMap<NodeId, Vec<&TopicPartition>> = BTreeMap::new();
        for partition in partitions {
            match find_leader(&metadata, partition) {
                Ok(leader) => by_leader.entry(leader).or_default().push(partition),
                Err(error) => {
                    results.insert((*partition).clone(), Err(error));
                }
            }
        }
        for (leader, partitions) in by_leader {
            match self.list_offsets_of(leader, &partitions, at).await {
                Ok(response) => results.extend(read_offsets(&response)),
                Err(error) => results.extend(
                    partitions
                        .iter()
                        .map(|partition| ((*partition).clone(), Err(error.clone()))),
                ),
            }
        }
        Ok(results)
    }

    async fn list_offsets_of(
        &self,
        leader: NodeId,
        partitions: &[&TopicPartition],
        at: OffsetAt,
    ) -> Result<ListOffsetsResponse, Error> {
        let connection = self.lane.connection(leader).await?;
        let (min, max) = LIST_OFFSETS_VERSIONS;
        let version = connection
            .version_within(ApiKey::ListOffsets, min, max)
            .ok_or_else(|| connection.unsupported("ListOffsets"))?;
        let mut by_topic: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for partition in partitions {
            let row = ListOffsetsPartition::default()
                .with_partition_index(partition.partition)
                .with_current_leader_epoch(-1)
                .with_timestamp(at.to_wire());
            by_topic.entry(&partition.topic).or_default().push(row);
        }
        let topics = by_topic.into_iter().map(|(name, partitions)| {
            ListOffsetsTopic::default()
                .with_name(topic_name(name))
                .with_partitions(partitions)
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(NO_REPLICA)
            .with_topics(topics.collect());
        connection.call_at(&request, version, self.timeout).await
    }

    /// What a group has committed, sorted by partition; partitions without a commit are left out.
    ///
    /// # Errors
    /// If the group's coordinator did not answer, or refused.
    pub async fn committed_offsets(&self, group_id: &str) -> Result<Vec<CommittedOffset>, Error> {
        let what = format!("committed offsets of group {group_id}");
        self.retry(&what, || async {
            let connection = self.group_coordinator(group_id).await?;
            let (min, max) = OFFSET_FETCH_VERSIONS;
            let version = connection
                .version_within(ApiKey::OffsetFetch, min, max)
                .ok_or_else(|| connection.unsupported("OffsetFetch"))?;
            let id = GroupId(StrBytes::from_string(group_id.to_owned()));
            let request = OffsetFetchRequest::default()
                .with_group_id(id)
                .with_topics(None);
            let response = connection.call_at(&request, version, self.timeout).await?;
            read_committed(group_id, &response)
        })
        .await
    }

    /// How far a group is behind, for every partition that it has committed or is assigned, sorted by
    /// partition.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, or why the group's coordinator did not answer.
    pub async fn group_lag(&self, group_id: &str) -> Result<Vec<PartitionLag>, Error> {
        let described = self.describe_groups(&[group_id]).await?.into_iter().next();
        let (_, group) = described.ok_or_else(|| Error::protocol("the broker sent no group"))?;
        let mut owners = owners(&group?);
        let committed: HashMap<TopicPartition, i64> = self
            .committed_offsets(group_id)
            .await?
            .into_iter()
            .map(|commit| (commit.partition, commit.offset))
            .collect();
        let partitions: BTreeSet<TopicPartition> =
            committed.keys().chain(owners.keys()).cloned().collect();
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let starts = self.known_offsets(&partitions, OffsetAt::Earliest).await?;
        let ends = self.known_offsets(&partitions, OffsetAt::Latest).await?;
        let lags = partitions.into_iter().map(|partition| PartitionLag {
            committed: committed.get(&partition).copied(),
            start: starts.get(&partition).copied(),
            end: ends.get(&partition).copied(),
            member_id: owners.remove(&partition),
            partition,
        });
        Ok(lags.collect())
    }

    /// The offsets that could be found out.
    async fn known_offsets(
        &self,
        partitions: &[TopicPartition],
        at: OffsetAt,
    ) -> Result<HashMap<TopicPartition, i64>, Error> {
        let offsets = self.list_offsets(partitions, at).await?;
        Ok(offsets
            .into_iter()
            .filter_map(|(partition, result)| Some((partition, result.ok()??)))
            .collect())
    }
}

type OffsetResult = Result<Option<i64>, Error>;

/// Whether asking again may give a better result.
fn is_open(result: &OffsetResult) -> bool {
    result.as_ref().is_err_and(Error::is_retriable)
}

/// The leader of a partition. A topic or partition that does not exist is an error that is not worth
/// another attempt; one without a leader is.
pub(super) fn find_leader(
    metadata: &MetadataResponse,
    wanted: &TopicPartition,
) -> Result<NodeId, Error> {
    let unknown = || Error::InvalidState {
        what: format!("partition {wanted} does not exist: create the topic, or add partitions"),
    };
    let mut topics = metadata.topics.iter();
    let topic = topics
        .find(|topic| {
            topic
                .name
                .as_ref()
                .is_some_and(|name| name.as_str() == &*wanted.topic)
        })
        .ok_or_else(unknown)?;
    match ErrorCode::from(topic.error_code) {
        ErrorCode::None => {}
        ErrorCode::UnknownTopicOrPartition => return Err(unknown()),
        code => {
            return Err(Error::broker(
                code,
                format!("metadata of topic {}", wanted.topic),
            ));
        }
    }
    let mut partitions = topic.partitions.iter();
    let partition = partitions
        .find(|partition| partition.partition_index == wanted.partition)
        .ok_or_else(unknown)?;
    match partition.leader_id.0 {
        id if id >= 0 => Ok(NodeId(id)),
        _ => Err(Error::broker(
            ErrorCode::LeaderNotAvailable,
            format!("leader of {wanted}"),
        )),
    }
}

fn read_offsets(
    response: &ListOffsetsResponse,
) -> impl Iterator<Item = (TopicPartition, OffsetResult)> {
    response.topics.iter().flat_map(|topic| {
        let name: Arc<str> = topic.name.as_str().into();
        topic.partitions.iter().map(move |row| {
            let partition = TopicPartition::new(Arc::clone(&name), row.partition_index);
            let result = check(row.error_code, None, || format!("offset of {partition}"));
            (
                partition,
                result.map(|()| Some(row.offset).filter(|offset| *offset >= 0)),
            )
        })
    })
}

fn read_committed(
    group_id: &str,
    response: &OffsetFetchResponse,
) -> Result<Vec<CommittedOffset>, Error> {
    check(response.error_code, None, || {
        format!("committed offsets of group {group_id}")
    })?;
    let mut offsets = Vec::new();
    for topic in &response.topics {
        let name: Arc<str> = topic.name.as_str().into();
        for row in &topic.partitions {
            let partition = TopicPartition::new(Arc::clone(&name), row.partition_index);
            check(row.error_code, None, || {
                format!("committed offset of {partition}")
            })?;
            if row.committed_offset >= 0 {
                offsets.push(CommittedOffset {
                    partition,
                    offset: row.committed_offset,
                    leader_epoch: row.committed_leader_epoch,
                    metadata: row
                        .metadata
                        .as_ref()
                        .map_or_else(String::new, ToString::to_string),
                });
            }
        }
    }
    offsets.sort_by(|left, right| left.partition.cmp(&right.partition));
    Ok(offsets)
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

#[cfg(test)]
mod tests;
