//! Callbacks of settled records: run by a task of their own, batch by batch in the order in which
//! the batches were settled, so that a slow one holds up neither the sender nor the network.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::error::ProduceError;
use super::record::RecordMetadata;

/// What a caller wants to have called.
pub(super) type Callback = Box<dyn FnOnce(Result<RecordMetadata, ProduceError>) + Send>;

/// A callback with what it is called with.
pub(super) type Call = (Callback, Result<RecordMetadata, ProduceError>);

/// What is to be done about a whole batch.
pub(super) type Work = Box<dyn FnOnce() + Send>;

enum Task {
    Calls(Vec<Call>),
    Work(Work),
}

/// Runs a producer's callbacks.
#[derive(Debug)]
pub(super) struct Callbacks {
    queue: Mutex<Queue>,
    runtime: Handle,
    drained: Notify,
}

#[derive(Default)]
struct Queue {
    /// As many as there are batches settled and not reported: the buffer's limit bounds them.
    tasks: VecDeque<Task>,
    is_running: bool,
}

impl Callbacks {
    pub(super) fn new(runtime: Handle) -> Arc<Self> {
        Arc::new(Callbacks {
            queue: Mutex::default(),
            runtime,
            drained: Notify::new(),
        })
    }

    /// Has `calls` made, after all that were given before.
    pub(super) fn run(self: &Arc<Self>, calls: Vec<Call>) {
        self.add(Task::Calls(calls));
    }

    /// As [`Callbacks::run`], for a whole batch.
    pub(super) fn work(self: &Arc<Self>, work: Work) {
        self.add(Task::Work(work));
    }

    fn add(self: &Arc<Self>, task: Task) {
        let mut queue = self.queue();
        queue.tasks.push_back(task);
        if !std::mem::replace(&mut queue.is_running, true) {
            self.runtime.spawn(drain(self.clone()));
        }
    }

    /// Waits until all that were given are made.
    pub(super) async fn drained(&self) {
        loop {
            let drained = self.drained.notified();
            if !self.queue().is_running {
                return;
            }
            drained.await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Task> {
        let mut queue = self.queue();
        let task = queue.tasks.pop_front();
        queue.is_running = task.is_some();
        task
    }
}

async fn drain(callbacks: Arc<Callbacks>) {
    while let Some(task) = callbacks.next() {
        match task {
            Task::Calls(calls) => calls
                .into_iter()
                .for_each(|(callback, result)| call(|| callback(result))),
            Task::Work(work) => call(work),
        }
        tokio::task::yield_now().await;
    }
    callbacks.drained.notify_waiters();
}

/// A callback that panics is the caller's bug; the others are still owed theirs.
fn call(callback: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(callback)).is_err() {
        tracing::error!(event = "delivery_callback_panicked");
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("batches", &self.tasks.len())
            .field("is_running", &self.is_running)
            .finish()
    }
}
