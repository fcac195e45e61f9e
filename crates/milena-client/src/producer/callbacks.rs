//! Callbacks of settled records: run by a task of their own, batch by batch in the order in which
//! the batches were settled, so that a slow one holds up neither the sender nor the network. It holds
//! up publishing once the batches that wait for it fill the buffer.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::budget::Reservation;
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

/// The share of the buffer that what is reported took; it is free when nobody has it any more.
/// There is none for records that were settled before anybody asked.
pub(super) type Space = Option<Arc<Reservation>>;

/// Runs a producer's callbacks.
#[derive(Debug)]
pub(super) struct Callbacks {
    queue: Mutex<Queue>,
    runtime: Handle,
    drained: Notify,
}

#[derive(Default)]
struct Queue {
    /// The batches that are settled and not reported. The buffer's limit bounds them, as each has
    /// its share of the buffer until it is reported.
    tasks: VecDeque<(Task, Space)>,
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
    pub(super) fn run(self: &Arc<Self>, calls: Vec<Call>, space: Space) {
        self.add(Task::Calls(calls), space);
    }

    /// As [`Callbacks::run`], for a whole batch.
    pub(super) fn work(self: &Arc<Self>, work: Work, space: Space) {
        self.add(Task::Work(work), space);
    }

    fn add(self: &Arc<Self>, task: Task, space: Space) {
        let mut queue = self.queue();
        queue.tasks.push_back((task, space));
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

    fn next(&self) -> Option<(Task, Space)> {
        let mut queue = self.queue();
        let task = queue.tasks.pop_front();
        queue.is_running = task.is_some();
        task
    }
}

async fn drain(callbacks: Arc<Callbacks>) {
    while let Some((task, space)) = callbacks.next() {
        match task {
            Task::Calls(calls) => calls
                .into_iter()
                .for_each(|(callback, result)| call(|| callback(result))),
            Task::Work(work) => call(work),
        }
        drop(space);
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
