//! What each request does: one file a request.
//!
//! Handlers take a decoded request and give back a response. They know the node
//! and its parts, and nothing of sockets, frames or the order of responses.

pub(crate) mod api_versions;
pub(crate) mod create_topics;
pub(crate) mod delete_topics;
pub(crate) mod fetch;
pub(crate) mod init_producer_id;
pub(crate) mod list_offsets;
pub(crate) mod metadata;
pub(crate) mod produce;

use milena_wire::error_code::ErrorCode;

use crate::topics::Partition;

/// Compares the leader epoch a client believes in with ours (KIP-320); −1 asks nothing.
pub(crate) fn check_leader_epoch(partition: &Partition, believed: i32) -> Result<(), ErrorCode> {
    match believed {
        -1 => Ok(()),
        epoch if epoch < partition.leader_epoch => Err(ErrorCode::FencedLeaderEpoch),
        epoch if epoch > partition.leader_epoch => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}
