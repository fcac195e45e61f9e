//! What each request does: one file a request.
//!
//! Handlers take a decoded request and give back a response. They know the node
//! and its parts, and nothing of sockets, frames or the order of responses.

pub(crate) mod add_offsets_to_txn;
pub(crate) mod add_partitions_to_txn;
pub(crate) mod alter_client_quotas;
pub(crate) mod alter_configs;
pub(crate) mod alter_partition_reassignments;
pub(crate) mod alter_replica_log_dirs;
pub(crate) mod alter_user_scram_credentials;
pub(crate) mod api_versions;
mod config_resource;
pub(crate) mod consumer_group_describe;
pub(crate) mod consumer_group_heartbeat;
pub(crate) mod create_acls;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_acls;
pub(crate) mod delete_groups;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_acls;
pub(crate) mod describe_client_quotas;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_groups;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_producers;
pub(crate) mod describe_topic_partitions;
pub(crate) mod describe_transactions;
pub(crate) mod describe_user_scram_credentials;
pub(crate) mod elect_leaders;
pub(crate) mod end_txn;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
pub(crate) mod heartbeat;
pub(crate) mod incremental_alter_configs;
pub(crate) mod init_producer_id;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_config_resources;
pub(crate) mod list_groups;
pub(crate) mod list_offsets;
pub(crate) mod list_partition_reassignments;
pub(crate) mod list_transactions;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
pub(crate) mod sync_group;
pub(crate) mod txn_offset_commit;
pub(crate) mod unregister_broker;
pub(crate) mod update_features;
pub(crate) mod write_txn_markers;

use std::sync::Arc;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;

use crate::limits::GROUP_ID_LENGTH_MAX;
use crate::log::LogError;
use crate::topics::Partition;

/// What a client is told of a log that cannot be read the way it asked for.
fn code_of(partition: &Partition, error: &LogError) -> ErrorCode {
    match error {
        // As Apache Kafka answers about an epoch that it does not know.
        LogError::OffsetOutOfRange { .. } | LogError::UnknownEpoch { .. } => {
            ErrorCode::OffsetOutOfRange
        }
        LogError::OtherEpoch { believed, current } if believed < current => {
            ErrorCode::FencedLeaderEpoch
        }
        LogError::OtherEpoch { .. } => ErrorCode::UnknownLeaderEpoch,
        error => {
            tracing::error!(
                event = "read_failed",
                topic = %partition.topic,
                partition = partition.index,
                error = %error,
            );
            ErrorCode::KafkaStorageError
        }
    }
}

/// A group id must be there and must not be a book.
fn check_group_id(group_id: &str) -> Result<(), ErrorCode> {
    if group_id.is_empty() || group_id.len() > GROUP_ID_LENGTH_MAX {
        return Err(ErrorCode::InvalidGroupId);
    }
    Ok(())
}

/// Copies a text out of the request's buffer, which is not to be kept for it.
fn shared(text: &StrBytes) -> Arc<str> {
    Arc::from(text.as_str())
}

fn to_wire(text: &Arc<str>) -> StrBytes {
    StrBytes::from_string(text.to_string())
}
