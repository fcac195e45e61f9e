//! Committed offsets of groups: where they would be reset to, setting them, taking them back.

use std::collections::{BTreeMap, HashMap};

use super::leaders::by_topic;
use super::{Admin, OffsetAt, PerItem, check, text};
use crate::error::Error;
use crate::topology::TopicPartition;
use crate::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use crate::wire::messages::{GroupId, OffsetCommitRequest, OffsetDeleteRequest, TopicName};
use crate::wire::{ApiKey, ErrorCode};

/// From the first without a retention time to the last with names of topics.
const OFFSET_COMMIT_VERSIONS: (i16, i16) = (5, 9);
/// Says that no member commits.
const NO_GENERATION: i32 = -1;

/// Where committed offsets are to go. What lies outside of a partition ends at its start or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetTo {
    /// The first record that is still there.
    Earliest,
    /// Behind the last record: everything that is there is skipped.
    Latest,
    /// The first record of this time (milliseconds since 1970-01-01 UTC) or later, else the end.
    Timestamp(i64),
    /// Forward or, below 0, back from what is committed; from the start where nothing is.
    Shift(i64),
    /// This offset.
    Offset(i64),
}

/// What a reset does to one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedOffset {
    /// What is committed now, if anything.
    pub from: Option<i64>,
    /// What will be committed.
    pub to: i64,
}

/// An offset to be committed on behalf of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the next record to be processed.
    pub offset: i64,
    /// A note that is kept with it.
    pub metadata: String,
}

impl NewOffset {
    /// Without a note.
    #[must_use]
    pub fn new(partition: TopicPartition, offset: i64) -> Self {
        Self {
            partition,
            offset,
            metadata: String::new(),
        }
    }
}

impl Admin {
    /// What [`Admin::reset_offsets`] would do; changes nothing. Each partition has its own result.
    ///
    /// # Errors
    /// If the group's coordinator did not answer.
    pub async fn plan_reset(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
        to: ResetTo,
    ) -> Result<PerItem<PlannedOffset, TopicPartition>, Error> {
        let committed = self.committed_offsets(group_id).await?;
        let committed: HashMap<TopicPartition, i64> = committed
            .into_iter()
            .map(|commit| (commit.partition, commit.offset))
            .collect();
        let starts = self.list_offsets(partitions, OffsetAt::Earliest).await?;
        let ends = self.list_offsets(partitions, OffsetAt::Latest).await?;
        let mut ends: BTreeMap<TopicPartition, _> = ends.into_iter().collect();
        let mut timed: BTreeMap<TopicPartition, _> = match to {
            ResetTo::Timestamp(ms) => {
                let at = OffsetAt::Timestamp(ms);
                self.list_offsets(partitions, at)
                    .await?
                    .into_iter()
                    .collect()
            }
            _ => BTreeMap::new(),
        };
        let mut plan = Vec::with_capacity(partitions.len());
        for (partition, start) in starts {
            let bounds = start.and_then(|start| {
                let end = ends.remove(&partition).unwrap_or(Ok(None))?;
                let timed = timed.remove(&partition).unwrap_or(Ok(None))?;
                let start = start.unwrap_or(0);
                Ok((start, end.unwrap_or(start), timed))
            });
            let from = committed.get(&partition).copied();
            let reset = bounds.map(|(start, end, timed)| PlannedOffset {
                from,
                to: target(to, from, start, end, timed),
            });
            plan.push((partition, reset));
        }
        Ok(plan)
    }

    /// Sets what a group has committed to where `to` says; the group must have no active members. Each
    /// partition has its own result.
    ///
    /// # Errors
    /// NON_EMPTY_GROUP while members are active, or why the group's coordinator did not answer.
    pub async fn reset_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
        to: ResetTo,
    ) -> Result<PerItem<PlannedOffset, TopicPartition>, Error> {
        self.check_uninhabited(group_id).await?;
        let plan = self.plan_reset(group_id, partitions, to).await?;
        let offsets: Vec<NewOffset> = plan
            .iter()
            .filter_map(|(partition, reset)| {
                let to = reset.as_ref().ok()?.to;
                Some(NewOffset::new(partition.clone(), to))
            })
            .collect();
        let committed = self.alter_offsets(group_id, &offsets).await?;
        let mut committed: HashMap<TopicPartition, Result<(), Error>> =
            committed.into_iter().collect();
        let results = plan.into_iter().map(|(partition, reset)| {
            let outcome = committed.remove(&partition).unwrap_or(Ok(()));
            (partition, reset.and_then(|reset| outcome.map(|()| reset)))
        });
        Ok(results.collect())
    }

    /// Commits offsets on behalf of a group without active members; creates the group if there is
    /// none. Each partition has its own result.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID while members are active, or why the group's coordinator did not answer.
    pub async fn alter_offsets(
        &self,
        group_id: &str,
        offsets: &[NewOffset],
    ) -> Result<PerItem<(), TopicPartition>, Error> {
        if offsets.is_empty() {
            return Ok(Vec::new());
        }
        let request = commit_request(group_id, offsets);
        let what = format!("offsets of group {group_id}");
        let response = self
            .retry(&what, || async {
                let connection = self.group_coordinator(group_id).await?;
                let (min, max) = OFFSET_COMMIT_VERSIONS;
                let version = connection
                    .version_within(ApiKey::OffsetCommit, min, max)
                    .ok_or_else(|| connection.unsupported("OffsetCommit"))?;
                let response = connection.call_at(&request, version, self.timeout).await?;
                let mut rows = response.topics.iter().flat_map(|topic| &topic.partitions);
                let whole = rows.find(|row| concerns_group(row.error_code));
                check(whole.map_or(0, |row| row.error_code), None, || what.clone())?;
                Ok(response)
            })
            .await?;
        let rows = response.topics.iter().flat_map(|topic| {
            let rows = topic.partitions.iter();
            rows.map(|row| (&topic.name, row.partition_index, row.error_code))
        });
        Ok(by_partition(
            rows,
            &format!("cannot set the offset of group {group_id}"),
        ))
    }

    /// Takes back what a group has committed for partitions. Each has its own result:
    /// GROUP_SUBSCRIBED_TO_TOPIC while an active member reads its topic.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, or why the group's coordinator did not answer.
    pub async fn delete_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Result<PerItem<(), TopicPartition>, Error> {
        let topics = by_topic(partitions).into_iter().map(|(name, indexes)| {
            let row = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
            OffsetDeleteRequestTopic::default()
                .with_name(TopicName(text(name)))
                .with_partitions(indexes.into_iter().map(row).collect())
        });
        let request = OffsetDeleteRequest::default()
            .with_group_id(GroupId(text(group_id)))
            .with_topics(topics.collect());
        let what = format!("cannot delete offsets of group {group_id}");
        let response = self
            .retry(&what, || async {
                let coordinator = self.group_coordinator(group_id).await?;
                let response = coordinator.call(&request, self.timeout).await?;
                check(response.error_code, None, || what.clone())?;
                Ok(response)
            })
            .await?;
        let rows = response.topics.iter().flat_map(|topic| {
            let rows = topic.partitions.iter();
            rows.map(|row| (&topic.name, row.partition_index, row.error_code))
        });
        Ok(by_partition(rows, &what))
    }

    /// Offsets that active members will commit over must not be set.
    async fn check_uninhabited(&self, group_id: &str) -> Result<(), Error> {
        let described = self.describe_groups(&[group_id]).await?.into_iter().next();
        match described {
            Some((_, Ok(group))) if !group.members.is_empty() => {
                let members = group.members.len();
                let context = format!("group {group_id} has {members} active members: stop them");
                Err(Error::broker(ErrorCode::NonEmptyGroup, context))
            }
            Some((_, Err(error))) if error.code() != Some(ErrorCode::GroupIdNotFound) => Err(error),
            _ => Ok(()),
        }
    }
}

/// The result of each partition, sorted; `what` could not be done where there is an error.
fn by_partition<'a>(
    rows: impl Iterator<Item = (&'a TopicName, i32, i16)>,
    what: &str,
) -> PerItem<(), TopicPartition> {
    let mut results: PerItem<(), TopicPartition> = rows
        .map(|(topic, index, code)| {
            let partition = TopicPartition::new(topic.as_str(), index);
            let result = check(code, None, || format!("{what} for {partition}"));
            (partition, result)
        })
        .collect();
    results.sort_by(|left, right| left.0.cmp(&right.0));
    results
}

/// Whether a code with a partition speaks of the whole group.
fn concerns_group(code: i16) -> bool {
    matches!(
        ErrorCode::from(code),
        ErrorCode::UnknownMemberId
            | ErrorCode::IllegalGeneration
            | ErrorCode::RebalanceInProgress
            | ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::GroupAuthorizationFailed
            | ErrorCode::InvalidGroupId
    )
}

fn target(to: ResetTo, from: Option<i64>, start: i64, end: i64, timed: Option<i64>) -> i64 {
    let target = match to {
        ResetTo::Earliest => start,
        ResetTo::Latest => end,
        ResetTo::Timestamp(_) => timed.unwrap_or(end),
        ResetTo::Shift(by) => from.unwrap_or(start).saturating_add(by),
        ResetTo::Offset(offset) => offset,
    };
    target.clamp(start, end.max(start))
}

fn commit_request(group_id: &str, offsets: &[NewOffset]) -> OffsetCommitRequest {
    let mut by_topic: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for new in offsets {
        let row = OffsetCommitRequestPartition::default()
            .with_partition_index(new.partition.partition)
            .with_committed_offset(new.offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text(&new.metadata)));
        by_topic.entry(&new.partition.topic).or_default().push(row);
    }
    let topics = by_topic.into_iter().map(|(name, partitions)| {
        OffsetCommitRequestTopic::default()
            .with_name(TopicName(text(name)))
            .with_partitions(partitions)
    });
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group_id)))
        .with_generation_id_or_member_epoch(NO_GENERATION)
        .with_topics(topics.collect())
}

#[cfg(test)]
mod tests;
