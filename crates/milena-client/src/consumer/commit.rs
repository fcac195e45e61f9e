//! The consumer's commits: waited for, or with a callback.
//!
//! Owns the public methods that commit; how a commit gets through a rebalance is
//! the committer's.

use super::shared::CommitScope;
use super::{Consumer, invalid_state};
use crate::error::Error;
use crate::group::{Committer, GroupHandle};
use crate::topology::TopicPartition;

impl Consumer {
    /// Commits the positions: everything that was handed out counts as
    /// processed. Waits for a rebalance to end if one is on.
    ///
    /// # Errors
    /// [`Error::PartitionsLost`] when partitions went to another member before
    /// the commit; [`Error::Broker`] when the coordinator refuses, as it does
    /// for a topic that was deleted, while the others are stored;
    /// [`Error::InvalidState`] without a group.
    pub async fn commit(&self) -> Result<(), Error> {
        let committer = self.committer()?;
        let offsets = self.shared.offsets_to_commit(CommitScope::HandedOut, None);
        committer.commit(offsets).await
    }

    /// Commits these offsets, each that of the next record to process.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); also when a partition is not assigned to
    /// this member.
    pub async fn commit_offsets(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), Error> {
        let committer = self.committer_of(offsets)?;
        committer.commit(self.shared.with_epochs(offsets)).await
    }

    /// As [`commit`](Self::commit), without waiting. `callback` is called once,
    /// whatever happens: at the latest when the consumer is closed or dropped, with
    /// [`Error::Closed`]. Commits of a consumer are made one after the other, in
    /// the order in which they were asked for.
    ///
    /// The callback runs on the task that commits, or on the caller's when there
    /// is nothing to wait for: it must not block.
    pub fn commit_async(&self, callback: impl FnOnce(Result<(), Error>) + Send + 'static) {
        match self.committer() {
            Ok(committer) => {
                let offsets = self.shared.offsets_to_commit(CommitScope::HandedOut, None);
                self.async_commits
                    .commit(committer, offsets, Box::new(callback));
            }
            Err(error) => callback(Err(error)),
        }
    }

    /// As [`commit_offsets`](Self::commit_offsets), without waiting; see
    /// [`commit_async`](Self::commit_async) for the callback.
    pub fn commit_offsets_async(
        &self,
        offsets: &[(TopicPartition, i64)],
        callback: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) {
        match self.committer_of(offsets) {
            Ok(committer) => {
                let offsets = self.shared.with_epochs(offsets);
                self.async_commits
                    .commit(committer, offsets, Box::new(callback));
            }
            Err(error) => callback(Err(error)),
        }
    }

    /// The committer, if it may commit these.
    fn committer_of(&self, offsets: &[(TopicPartition, i64)]) -> Result<&Committer, Error> {
        let committer = self.committer()?;
        if self.group.as_ref().is_some_and(GroupHandle::is_subscribed) {
            let is_foreign = |(partition, _): &&(TopicPartition, i64)| !self.shared.owns(partition);
            if let Some((partition, _)) = offsets.iter().find(is_foreign) {
                let reason = format!("{partition} is not assigned to this member");
                return Err(committer.partitions_lost(&reason));
            }
        }
        Ok(committer)
    }

    pub(super) fn committer(&self) -> Result<&Committer, Error> {
        self.shared.check_usable()?;
        let without_group = || invalid_state("commit needs a group: set group.id");
        self.committer.as_ref().ok_or_else(without_group)
    }
}
