//! Telling the application about partitions that come and go.
//!
//! Owns the listener's interface and what it may do while partitions are being
//! given up; must not know when rebalances happen.

use futures_util::future::BoxFuture;

use super::committer::Committer;
use crate::error::Error;
use crate::topology::TopicPartition;

/// Told about changes of a member's partitions, one call at a time.
///
/// The group goes on sending heartbeats while a call runs, and waits for it:
/// partitions are given up when [`revoked`](Self::revoked) has returned. A
/// rebalance takes as long as its slowest member, so calls should end well
/// within `max.poll.interval.ms`.
///
/// A call must not wait for [`Consumer::close`](crate::consumer::Consumer::close)
/// or [`Consumer::commit`](crate::consumer::Consumer::commit): these wait for
/// the rebalance in turn. To commit, use the context.
pub trait RebalanceListener: Send + Sync + 'static {
    /// `partitions` were added. Records of them are handed out when the call
    /// has returned; until then a seek decides where they start.
    fn assigned<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        let _ = partitions;
        Box::pin(std::future::ready(()))
    }

    /// `partitions` go to other members when the call has returned. No more
    /// records of them are handed out: finish what is in hand and commit it.
    fn revoked<'a>(
        &'a self,
        context: RevokedContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        let _ = (context, partitions);
        Box::pin(std::future::ready(()))
    }

    /// `partitions` are somebody else's already, and commits of them fail: stop
    /// working on them.
    fn lost<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        let _ = partitions;
        Box::pin(std::future::ready(()))
    }
}

/// What can still be done with partitions that are being revoked.
#[must_use]
pub struct RevokedContext {
    committer: Committer,
}

impl RevokedContext {
    pub(crate) fn new(committer: Committer) -> Self {
        Self { committer }
    }

    /// Commits offsets, each that of the next record to process.
    ///
    /// # Errors
    /// [`Error::PartitionsLost`] when this member is out of the group,
    /// [`Error::Broker`] when the coordinator refuses.
    pub async fn commit_offsets(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), Error> {
        self.committer.commit_while_revoking(offsets).await
    }
}
