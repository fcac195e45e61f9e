//! Rebalances, as the group's task reports them: passed on to the dispatcher, and waited
//! for until the partitions may go.

use std::time::Duration;

use futures_util::future::BoxFuture;
use milena_client::TopicPartition;
use milena_client::group::{RebalanceListener, RevokedContext};
use tokio::sync::{mpsc, oneshot};

use super::committer;
use super::lifecycle::{Hooks, Lifecycle, without_prefix};
use super::progress::Progress;
use super::workers::{Worker, settle};
use crate::config::TopicPrefix;

/// What a rebalance asks of the dispatcher. When the dispatcher is gone, the application
/// has stopped, and there is nothing left to give up.
#[derive(Debug)]
pub(super) enum Command {
    /// These partitions are ours from now on.
    Assign(Vec<TopicPartition>, oneshot::Sender<()>),
    /// Gives up the workers of these partitions, to whoever asks.
    Release(Vec<TopicPartition>, oneshot::Sender<Vec<Worker>>),
}

/// Listens to the group on the dispatcher's behalf.
pub(super) struct Rebalance {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) revocation_timeout: Duration,
    pub(super) hooks: Hooks,
    pub(super) progress: Progress,
    pub(super) prefix: TopicPrefix,
}

impl RebalanceListener for Rebalance {
    fn assigned<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (done, wait) = oneshot::channel();
            let command = Command::Assign(partitions.to_vec(), done);
            if self.commands.send(command).await.is_ok() {
                let _ = wait.await;
            }
            self.tell(partitions, |hook, ours| hook.partitions_assigned(ours));
            tracing::info!(event = "partitions_assigned", partitions = %list(partitions));
        })
    }

    fn revoked<'a>(
        &'a self,
        context: RevokedContext,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut workers = self.release(partitions).await;
            settle(&mut workers, self.revocation_timeout).await;
            let offsets: Vec<_> = workers.iter().filter_map(Worker::uncommitted).collect();
            let begun = committer::Begun::now();
            let result = context.commit_offsets(&committer::pairs(&offsets)).await;
            begun.note(&offsets, &self.progress, &result);
            if result.is_ok() && !offsets.is_empty() {
                let (committed, next): (Vec<_>, Vec<_>) =
                    committer::pairs(&offsets).into_iter().unzip();
                self.tell(&committed, |hook, ours| {
                    let offsets = ours.iter().cloned().zip(next.iter().copied());
                    hook.committed(&offsets.collect::<Vec<_>>());
                });
            }
            self.tell(partitions, |hook, gone| hook.partitions_revoked(gone));
            tracing::info!(event = "partitions_revoked", partitions = %list(partitions));
        })
    }

    fn lost<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // Dropping the workers ends them.
            drop(self.release(partitions).await);
            self.tell(partitions, |hook, gone| hook.partitions_lost(gone));
            tracing::warn!(event = "partitions_lost", partitions = %list(partitions));
        })
    }
}

impl Rebalance {
    fn tell(
        &self,
        partitions: &[TopicPartition],
        what: impl Fn(&dyn Lifecycle, &[TopicPartition]),
    ) {
        if !self.hooks.is_empty() {
            let partitions = without_prefix(partitions, &self.prefix);
            self.hooks.tell(|hook| what(hook, &partitions));
        }
    }

    async fn release(&self, partitions: &[TopicPartition]) -> Vec<Worker> {
        let (hand_over, workers) = oneshot::channel();
        let command = Command::Release(partitions.to_vec(), hand_over);
        if self.commands.send(command).await.is_err() {
            return Vec::new();
        }
        workers.await.unwrap_or_default()
    }
}

/// `orders-0,orders-1`, for the log.
fn list(partitions: &[TopicPartition]) -> String {
    partitions
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}
