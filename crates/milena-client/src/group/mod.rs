//! Group membership: who consumes which partition, and the group's offsets.
//!
//! Owns the classic protocol (KIP-62, KIP-345, KIP-429), its assignors and the
//! committing of offsets. Must not know how records are fetched: it adds
//! partitions to the consumer's table and takes them away.

mod assignor;
mod classic;
mod committer;
mod coordinator;
mod driver;
mod handle;
mod jobs;
mod listener;
mod offsets;
mod requests;
mod subscription;

pub use assignor::Assignor;
pub(crate) use classic::Identity;
pub(crate) use committer::Committer;
pub(crate) use coordinator::GroupCoordinator;
pub(crate) use handle::GroupHandle;
pub use listener::{RebalanceListener, RevokedContext};
pub(crate) use offsets::{OffsetToCommit, fetch as fetch_offsets};
