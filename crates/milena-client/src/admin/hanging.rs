//! Ending a transaction that hangs on one partition, when its coordinator has forgotten it (KIP-664).

use super::leaders::still_spreading;
use super::{Admin, check, text};
use crate::error::Error;
use crate::topology::TopicPartition;
use crate::wire::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use crate::wire::messages::{ProducerId, TopicName, WriteTxnMarkersRequest};

/// Which transaction hangs where, as [`Admin::describe_producers`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HangingTransaction {
    /// The partition on which nothing gets past it.
    pub partition: TopicPartition,
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The coordinator's epoch, 0 if none was told.
    pub coordinator_epoch: i32,
}

impl Admin {
    /// Writes the marker that aborts a transaction on one partition. Only for one that its coordinator
    /// no longer knows: readers of the partition would otherwise wait for ever.
    ///
    /// # Errors
    /// INVALID_PRODUCER_EPOCH, CLUSTER_AUTHORIZATION_FAILED, or why the leader did not answer.
    pub async fn abort_hanging_transaction(
        &self,
        hanging: &HangingTransaction,
    ) -> Result<(), Error> {
        let topic = WritableTxnMarkerTopic::default()
            .with_name(TopicName(text(&hanging.partition.topic)))
            .with_partition_indexes(vec![hanging.partition.partition]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(hanging.producer_id))
            .with_producer_epoch(hanging.producer_epoch)
            .with_coordinator_epoch(hanging.coordinator_epoch)
            .with_transaction_result(false)
            .with_topics(vec![topic]);
        let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
        let what = format!("cannot abort the transaction on {}", hanging.partition);
        self.retry(&what, || async {
            let (by_leader, without) = self.by_leader(vec![hanging.partition.clone()]).await?;
            if let Some((_, result)) = without.into_iter().next() {
                return result;
            }
            for leader in by_leader.into_keys() {
                let response = self.lane.call(leader, &request, self.timeout).await?;
                let topics = response.markers.iter().flat_map(|marker| &marker.topics);
                for row in topics.flat_map(|topic| &topic.partitions) {
                    check(row.error_code, None, || what.clone()).map_err(still_spreading)?;
                }
            }
            Ok(())
        })
        .await
    }
}
