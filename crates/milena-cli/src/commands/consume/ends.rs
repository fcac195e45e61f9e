//! Where consuming ends, partition by partition.

use std::collections::HashMap;

use milena_client::admin::OffsetAt;
use milena_client::consumer::Consumer;
use milena_client::{Admin, TopicPartition};

use crate::failure::Failure;

/// The offsets at which consuming ends; nowhere, if there are none.
pub(super) struct Ends {
    offsets: Option<HashMap<TopicPartition, i64>>,
}

impl Ends {
    pub(super) fn never() -> Ends {
        Ends { offsets: None }
    }

    /// The present ends of the partitions, or the first offsets of that time or later.
    pub(super) async fn look_up(
        admin: &Admin,
        partitions: &[TopicPartition],
        timestamp: Option<i64>,
    ) -> Result<Ends, Failure> {
        let mut offsets = HashMap::new();
        for (partition, end) in admin.list_offsets(partitions, OffsetAt::Latest).await? {
            offsets.insert(partition, end?.unwrap_or(0));
        }
        if let Some(timestamp) = timestamp {
            let at = OffsetAt::Timestamp(timestamp);
            for (partition, end) in admin.list_offsets(partitions, at).await? {
                if let Some(end) = end? {
                    offsets.insert(partition, end);
                }
            }
        }
        Ok(Ends {
            offsets: Some(offsets),
        })
    }

    /// Whether this record lies behind the end.
    pub(super) fn is_past(&self, partition: &TopicPartition, offset: i64) -> bool {
        let end = self
            .offsets
            .as_ref()
            .and_then(|offsets| offsets.get(partition));
        end.is_some_and(|end| offset >= *end)
    }

    /// Whether all that is assigned was read to its end. A member that has no partitions
    /// yet has not read anything.
    pub(super) fn are_reached(&self, consumer: &Consumer) -> bool {
        let Some(offsets) = &self.offsets else {
            return false;
        };
        let assignment = consumer.assignment();
        let is_reached = |partition: &TopicPartition| {
            let end = offsets.get(partition).copied().unwrap_or(0);
            consumer
                .position(partition)
                .is_some_and(|position| position >= end)
        };
        !assignment.is_empty() && assignment.iter().all(is_reached)
    }
}
