//! Commits that nobody waits for, and whose callbacks fire whatever happens.
//!
//! Owns the queue between the application and the committer: commits are made in
//! the order in which they were asked for. Must not know how a commit is made.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::committer::Committer;
use super::offsets::OffsetToCommit;
use crate::error::Error;

/// Commits that wait for their turn; more are refused.
const COMMITS_WAITING_MAX: usize = 1024;
/// How long closing waits for those that were asked for before.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);

/// What is called with the outcome of a commit.
pub(crate) type CommitCallback = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// A callback that fires exactly once: with the outcome, or with
/// [`Error::Closed`] when nobody can tell one any more (PITFALLS 29).
struct Promise(Option<CommitCallback>);

impl Promise {
    fn keep(mut self, result: Result<(), Error>) {
        if let Some(callback) = self.0.take() {
            callback(result);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback(Err(Error::Closed));
        }
    }
}

struct Waiting {
    offsets: Vec<OffsetToCommit>,
    promise: Promise,
}

struct Worker {
    queue: mpsc::Sender<Waiting>,
    task: JoinHandle<()>,
}

/// The commits of one consumer that nobody waits for.
#[derive(Default)]
pub(crate) struct AsyncCommits {
    /// None before the first one.
    worker: Mutex<Option<Worker>>,
}

impl AsyncCommits {
    /// Commits `offsets` after those that were asked for before.
    pub(crate) fn commit(
        &self,
        committer: &Committer,
        offsets: Vec<OffsetToCommit>,
        callback: CommitCallback,
    ) {
        let waiting = Waiting {
            offsets,
            promise: Promise(Some(callback)),
        };
        let refused = {
            let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
            let worker = worker.get_or_insert_with(|| Worker::start(committer.clone()));
            worker.queue.try_send(waiting).err()
        };
        // The callback may do anything: it is called without the lock.
        if let Some(mpsc::error::TrySendError::Full(waiting)) = refused {
            let address = format!("commits of group {:?}", committer.coordinator.group_id());
            waiting.promise.keep(Err(Error::Overloaded { address }));
        }
    }

    /// Takes no more, and waits until those that were asked for are done.
    pub(crate) async fn finish(&self) {
        let worker = {
            let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
            worker.take()
        };
        let Some(Worker { queue, mut task }) = worker else {
            return;
        };
        drop(queue);
        if tokio::time::timeout(FINISH_TIMEOUT, &mut task)
            .await
            .is_err()
        {
            task.abort();
        }
    }
}

impl Drop for AsyncCommits {
    fn drop(&mut self) {
        let worker = self
            .worker
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = worker.take() {
            worker.task.abort();
        }
    }
}

impl Worker {
    fn start(committer: Committer) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Waiting>(COMMITS_WAITING_MAX);
        let task = tokio::spawn(async move {
            while let Some(next) = waiting.recv().await {
                let result = committer.commit(next.offsets).await;
                next.promise.keep(result);
            }
        });
        Self { queue, task }
    }
}
