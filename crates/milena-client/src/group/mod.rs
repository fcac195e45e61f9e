//! Group membership: who consumes which partition, and the group's offsets.
//!
//! Owns the classic protocol (KIP-62, KIP-345, KIP-429) with its assignors, the new
//! one (KIP-848), and the committing of offsets. Must not know how records are fetched: it adds
//! partitions to the consumer's table and takes them away.

mod action;
mod assignor;
mod async_commits;
mod beat;
mod classic;
mod committer;
mod consumer_protocol;
mod coordinator;
mod driver;
mod handle;
mod jobs;
mod listener;
mod member;
mod offsets;
mod requests;
pub(crate) mod spans;
mod subscription;

pub(crate) use action::{Identity, Subscribed};
pub use assignor::Assignor;
pub(crate) use async_commits::AsyncCommits;
pub(crate) use committer::Committer;
pub(crate) use coordinator::GroupCoordinator;
pub(crate) use handle::GroupHandle;
pub use listener::{RebalanceListener, RevokedContext};
pub(crate) use offsets::{OffsetToCommit, fetch as fetch_offsets};

/// How the members of a group share partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum GroupProtocol {
    /// `classic`: one of the members assigns, all of them rebalance together.
    #[default]
    Classic,
    /// `consumer`: the coordinator assigns, and only members whose partitions move
    /// notice (KIP-848). Needs Kafka 4.0 or newer.
    Consumer,
}
