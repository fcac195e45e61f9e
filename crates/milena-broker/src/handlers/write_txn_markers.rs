//! WriteTxnMarkers: how an administrator ends a transaction that hangs in a partition.
//!
//! In Apache Kafka coordinators tell the leaders of partitions in this way, too; ours
//! is in the same process.

use milena_wire::batch::TimestampType;
use milena_wire::batch::control::TransactionEnd;
use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::messages::write_txn_markers_request::WritableTxnMarker;
use milena_wire::rpc::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use milena_wire::rpc::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};

use crate::clock;
use crate::log::marker::Marker;
use crate::log::partition::Stamp;
use crate::node::Node;

pub(crate) fn handle(node: &Node, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
    let markers = request.markers.iter().map(|asked| {
        let topics = asked.topics.iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                let code = write(node, asked, &topic.name, *index);
                WritableTxnMarkerPartitionResult::default()
                    .with_partition_index(*index)
                    .with_error_code(code.err().unwrap_or(ErrorCode::None).code())
            });
            WritableTxnMarkerTopicResult::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        WritableTxnMarkerResult::default()
            .with_producer_id(asked.producer_id)
            .with_topics(topics.collect())
    });
    WriteTxnMarkersResponse::default().with_markers(markers.collect())
}

fn write(node: &Node, asked: &WritableTxnMarker, topic: &str, index: i32) -> Result<(), ErrorCode> {
    let marker = Marker {
        producer_id: asked.producer_id.0,
        epoch: asked.producer_epoch,
        coordinator_epoch: asked.coordinator_epoch,
        end: if asked.transaction_result {
            TransactionEnd::Commit
        } else {
            TransactionEnd::Abort
        },
    };
    let partition = node
        .topics
        .by_name(topic)
        .and_then(|topic| topic.partition(index))
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let stamp = Stamp {
        timestamp_type: TimestampType::CreateTime,
        now_ms: clock::wall_ms(),
    };
    let written = partition.log.append_marker(marker, stamp);
    written.map(drop).map_err(|refusal| refusal.code)
}
