//! Elections that tests order: a leader that comes back, and one that lacks records.
//!
//! There is one node, so the leader stays where it is; its epoch tells that it took over. What a
//! leader's log does then is [`crate::log::partition`]'s.

use std::sync::Arc;

use crate::broker::Broker;
use crate::clock;
use crate::error::BrokerError;
use crate::log::{FlushDepth, LogError};
use crate::topics::Partition;

impl Broker {
    /// Begins a new leader epoch of a partition with all of its records, as an election or a
    /// restart of the leader does; gives the epoch. Clients that believe in the former one are
    /// fenced until they know (KIP-320).
    ///
    /// # Errors
    /// [`BrokerError::UnknownPartition`]; [`BrokerError::Election`] when it cannot be written down.
    pub fn elect_leader(&self, topic: &str, partition: i32) -> Result<i32, BrokerError> {
        let partition = self.partition(topic, partition)?;
        let epoch = partition.log.begin_epoch();
        settle(&partition, Ok(epoch))
    }

    /// Begins a new leader epoch of a partition without the records from `end_offset` on, as an
    /// unclean election of a replica that lacks them does; gives the epoch. Batches are dropped
    /// whole.
    ///
    /// # Errors
    /// [`BrokerError::UnknownPartition`]; [`BrokerError::Election`] when there is no such offset.
    pub fn elect_unclean_leader(
        &self,
        topic: &str,
        partition: i32,
        end_offset: i64,
    ) -> Result<i32, BrokerError> {
        let partition = self.partition(topic, partition)?;
        let elected = partition
            .log
            .begin_epoch_without(end_offset, clock::wall_ms());
        settle(&partition, elected)
    }

    fn partition(&self, topic: &str, partition: i32) -> Result<Arc<Partition>, BrokerError> {
        let found = self.node().topics.by_name(topic);
        found
            .and_then(|topic| topic.partition(partition))
            .ok_or_else(|| BrokerError::UnknownPartition {
                topic: topic.to_owned(),
                partition,
            })
    }
}

/// An epoch that clients know of must not be forgotten.
fn settle(partition: &Partition, elected: Result<i32, LogError>) -> Result<i32, BrokerError> {
    let epoch = elected.and_then(|epoch| {
        partition.log.flush(FlushDepth::Checkpoint)?;
        Ok(epoch)
    });
    let epoch = epoch.map_err(|error| BrokerError::Election {
        topic: partition.topic.to_string(),
        partition: partition.index,
        reason: error.to_string(),
    })?;
    tracing::info!(event = "leader_elected", topic = %partition.topic, partition = partition.index, epoch);
    Ok(epoch)
}
