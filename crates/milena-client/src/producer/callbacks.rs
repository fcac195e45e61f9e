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
    calls: VecDeque<Vec<Call>>,
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
        let mut queue = self.queue();
        queue.calls.push_back(calls);
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

    fn next(&self) -> Option<Vec<Call>> {
        let mut queue = self.queue();
        let calls = queue.calls.pop_front();
        queue.is_running = calls.is_some();
        calls
    }
}

async fn drain(callbacks: Arc<Callbacks>) {
    while let Some(calls) = callbacks.next() {
        for (callback, result) in calls {
            // A callback that panics is the caller's bug; the others are still owed theirs.
            if catch_unwind(AssertUnwindSafe(|| callback(result))).is_err() {
                tracing::error!(event = "delivery_callback_panicked");
            }
        }
        tokio::task::yield_now().await;
    }
    callbacks.drained.notify_waiters();
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("batches", &self.calls.len())
            .field("is_running", &self.is_running)
            .finish()
    }
}
