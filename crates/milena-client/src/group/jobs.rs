//! What happens to partitions when they come and go, one thing at a time.
//!
//! Owns the order stop → commit → tell the application → drop; must not know
//! why partitions come and go.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::committer::Committer;
use super::listener::RevokedContext;
use crate::consumer::Question;
use crate::consumer::shared::{CommitScope, Shared};
use crate::error::Error;
use crate::topology::TopicPartition;

/// What is to be done with partitions.
#[derive(Debug)]
enum Job {
    Revoke(Vec<TopicPartition>),
    Lose(Vec<TopicPartition>),
    Release(Vec<TopicPartition>),
}

/// A job that is done.
#[derive(Debug)]
pub(super) enum JobDone {
    /// Partitions are given up; how the commit before that went.
    GivenUp(Result<(), Error>),
    /// Partitions are handed to the application.
    Released,
}

/// Jobs in their order; one runs, the others wait.
pub(super) struct Jobs {
    committer: Committer,
    waiting: VecDeque<Job>,
    running: Option<BoxFuture<'static, JobDone>>,
    /// The application is gone: nobody to tell, nothing to commit.
    is_orphaned: bool,
}

impl Jobs {
    pub(super) fn new(committer: Committer) -> Self {
        Self {
            committer,
            waiting: VecDeque::new(),
            running: None,
            is_orphaned: false,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    /// From now on neither the listener nor commits are of use; what runs is
    /// cut off.
    pub(super) fn orphan(&mut self) {
        self.is_orphaned = true;
        if self.running.take().is_some() {
            // What was running counts as done.
            self.waiting.push_front(Job::Lose(Vec::new()));
        }
    }

    /// Stops these at once; the rest of it waits for its turn.
    pub(super) fn revoke(&mut self, partitions: Vec<TopicPartition>) {
        let shared = &self.committer.shared;
        shared.sync_reader();
        {
            let mut table = shared.partitions();
            for partition in &partitions {
                table.update(partition, |position| position.start_revoking());
            }
        }
        self.waiting.push_back(Job::Revoke(partitions));
    }

    /// Drops these at once; telling of it waits for its turn.
    pub(super) fn lose(&mut self, partitions: Vec<TopicPartition>) {
        self.committer.shared.partitions().remove(&partitions);
        self.waiting.push_back(Job::Lose(partitions));
    }

    /// Looks for the positions of these at once; with a listener, records wait
    /// until it has been told.
    pub(super) fn start(&mut self, partitions: Vec<TopicPartition>, question: Question) {
        let shared = &self.committer.shared;
        let is_held = shared.config.listener.is_some();
        shared.partitions().add(&partitions, question, is_held);
        shared.work.notify_waiters();
        if is_held && !partitions.is_empty() {
            self.waiting.push_back(Job::Release(partitions));
        }
    }

    /// Waits until the running job is done; for ever if there is none. Safe to
    /// drop and call again.
    pub(super) async fn next_done(&mut self) -> JobDone {
        if self.running.is_none()
            && let Some(job) = self.waiting.pop_front()
        {
            self.running = Some(self.run(job));
        }
        match &mut self.running {
            Some(running) => {
                let done = running.await;
                self.running = None;
                done
            }
            None => std::future::pending().await,
        }
    }

    fn run(&self, job: Job) -> BoxFuture<'static, JobDone> {
        let committer = self.committer.clone();
        let is_orphaned = self.is_orphaned;
        match job {
            Job::Revoke(partitions) if is_orphaned => Box::pin(async move {
                committer.shared.partitions().remove(&partitions);
                JobDone::GivenUp(Ok(()))
            }),
            Job::Lose(_) if is_orphaned => Box::pin(std::future::ready(JobDone::GivenUp(Ok(())))),
            Job::Release(_) if is_orphaned => Box::pin(std::future::ready(JobDone::Released)),
            Job::Revoke(partitions) => Box::pin(revoke(committer, partitions)),
            Job::Lose(partitions) => Box::pin(lose(committer, partitions)),
            Job::Release(partitions) => Box::pin(release(committer, partitions)),
        }
    }
}

/// Calls the listener. When it panics the application hears of it, and the member
/// goes on: without its task it would be dead, and nobody would notice.
async fn call(shared: &Shared, what: &str, listening: BoxFuture<'_, ()>) {
    if AssertUnwindSafe(listening).catch_unwind().await.is_err() {
        let what = format!("the rebalance listener panicked in `{what}`; the member went on");
        tracing::error!(event = "listener_panicked", what);
        shared.report(Error::InvalidState { what });
    }
}

async fn revoke(committer: Committer, partitions: Vec<TopicPartition>) -> JobDone {
    let shared = &committer.shared;
    let mut result = Ok(());
    if !partitions.is_empty() {
        tracing::info!(
            event = "partitions_revoked",
            group = %committer.coordinator.group_id(),
            count = partitions.len(),
        );
        if shared.config.enable_auto_commit {
            let offsets = shared.offsets_to_commit(CommitScope::Processed, Some(&partitions));
            result = committer.commit_at_once(offsets).await;
            if let Err(error) = &result {
                tracing::warn!(event = "auto_commit_failed", %error);
            }
        }
        if let Some(listener) = &shared.config.listener {
            let context = RevokedContext::new(committer.clone());
            call(shared, "revoked", listener.revoked(context, &partitions)).await;
        }
    }
    // Positions go with the partitions (PITFALLS 15).
    shared.partitions().remove(&partitions);
    JobDone::GivenUp(result)
}

async fn lose(committer: Committer, partitions: Vec<TopicPartition>) -> JobDone {
    if !partitions.is_empty() {
        tracing::warn!(
            event = "partitions_lost",
            group = %committer.coordinator.group_id(),
            count = partitions.len(),
        );
        if let Some(listener) = &committer.shared.config.listener {
            let shared = &committer.shared;
            call(shared, "lost", listener.lost(&partitions)).await;
        }
    }
    JobDone::GivenUp(Ok(()))
}

async fn release(committer: Committer, partitions: Vec<TopicPartition>) -> JobDone {
    let shared = &committer.shared;
    if let Some(listener) = &shared.config.listener {
        call(shared, "assigned", listener.assigned(&partitions)).await;
    }
    {
        let mut table = shared.partitions();
        for partition in &partitions {
            table.update(partition, |position| position.set_held(false));
        }
    }
    shared.room.notify_waiters();
    shared.ready.notify_waiters();
    JobDone::Released
}
