//! Deleting the records at the front of partitions (KIP-107).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::each::failed;
use super::leaders::still_spreading;
use super::{Admin, PerItem, check, text};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use crate::wire::messages::{DeleteRecordsRequest, TopicName};

/// Stands for the end of the partition.
const HIGH_WATERMARK: i64 = -1;

/// Up to where records are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteBefore {
    /// Those before this offset.
    Offset(i64),
    /// All that every in-sync replica has.
    End,
}

impl DeleteBefore {
    fn to_wire(self) -> i64 {
        match self {
            Self::Offset(offset) => offset,
            Self::End => HIGH_WATERMARK,
        }
    }
}

impl Admin {
    /// Deletes records for good and gives, for each partition, the offset of the first record that is
    /// left. What is gone already stays gone: an offset below the start changes nothing.
    ///
    /// Each partition has its own result: OFFSET_OUT_OF_RANGE beyond the end, POLICY_VIOLATION on a
    /// topic that is only compacted.
    pub async fn delete_records(
        &self,
        partitions: &[(TopicPartition, DeleteBefore)],
    ) -> PerItem<i64, TopicPartition> {
        let before: &BTreeMap<TopicPartition, DeleteBefore> = &partitions.iter().cloned().collect();
        let asked: Vec<TopicPartition> = partitions.iter().map(|(key, _)| key.clone()).collect();
        self.each("deletion of records", &asked, |open| async move {
            let (by_leader, mut results) = self.by_leader(open).await?;
            for (leader, partitions) in by_leader {
                match self.delete_records_of(leader, &partitions, before).await {
                    Ok(answers) => results.extend(answers),
                    Err(error) => results.extend(failed(partitions, &error)),
                }
            }
            Ok(results)
        })
        .await
    }

    async fn delete_records_of(
        &self,
        leader: NodeId,
        partitions: &[TopicPartition],
        before: &BTreeMap<TopicPartition, DeleteBefore>,
    ) -> Result<PerItem<i64, TopicPartition>, Error> {
        let mut by_topic: BTreeMap<&str, Vec<DeleteRecordsPartition>> = BTreeMap::new();
        for partition in partitions {
            let Some(until) = before.get(partition) else {
                continue;
            };
            let row = DeleteRecordsPartition::default()
                .with_partition_index(partition.partition)
                .with_offset(until.to_wire());
            by_topic.entry(&partition.topic).or_default().push(row);
        }
        let topics = by_topic.into_iter().map(|(name, partitions)| {
            DeleteRecordsTopic::default()
                .with_name(TopicName(text(name)))
                .with_partitions(partitions)
        });
        let request = DeleteRecordsRequest::default()
            .with_topics(topics.collect())
            .with_timeout_ms(self.broker_timeout_ms());
        let response = self.lane.call(leader, &request, self.timeout).await?;
        let mut results = Vec::with_capacity(partitions.len());
        for topic in &response.topics {
            let name: Arc<str> = topic.name.as_str().into();
            for row in &topic.partitions {
                let partition = TopicPartition::new(Arc::clone(&name), row.partition_index);
                let result = check(row.error_code, None, || {
                    format!("cannot delete records of {partition}")
                });
                let result = result.map_err(still_spreading);
                results.push((partition, result.map(|()| row.low_watermark)));
            }
        }
        Ok(results)
    }
}
