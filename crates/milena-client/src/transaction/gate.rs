//! What senders ask before a batch of a transactional producer leaves.
//!
//! Owns the one lock around the state machine and the wake-ups that go with it. Knows no
//! requests.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::error::{Reason, TransactionError};
use super::state::{Admission, Machine, Version};
use crate::error::Error;
use crate::producer::{Partition, ProduceError, SendWindow};
use crate::topology::TopicPartition;
use crate::wire::ErrorCode;

/// Produce versions: from here on a batch has a transactional id.
const PRODUCE_VERSION_MIN: i16 = 3;
/// The last version that does not add partitions to transactions.
const PRODUCE_VERSION_MAX_V1: i16 = 11;
/// The version that does (KIP-890); the last one that names topics.
const PRODUCE_VERSION_V2: i16 = 12;

/// Between a transaction and the senders of its producer.
pub(crate) struct Gate {
    transactional_id: Arc<str>,
    machine: Mutex<Machine>,
    /// Whether the open transaction has failed, without the lock.
    has_failed: AtomicBool,
    /// Partitions wait to be registered.
    unregistered: Notify,
    /// A batch was answered, or something has failed.
    progress: Notify,
    /// Held while what a failed transaction left is given up. Taken before windows are.
    giving_up: Mutex<()>,
}

impl Gate {
    pub(crate) fn new(transactional_id: Arc<str>, machine: Machine) -> Self {
        Self {
            transactional_id,
            machine: Mutex::new(machine),
            has_failed: AtomicBool::new(false),
            unregistered: Notify::new(),
            progress: Notify::new(),
            giving_up: Mutex::new(()),
        }
    }

    pub(crate) fn transactional_id(&self) -> &str {
        &self.transactional_id
    }

    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a batch of this partition may leave now; it is looked at again when that changes.
    pub(crate) fn admit(&self, partition: &Partition, window: &mut SendWindow) -> bool {
        let name = name_of(partition);
        match self.machine().admit(&name) {
            Admission::Admitted { serial, identity } => window.enter_transaction(serial, identity),
            Admission::Unregistered => {
                self.unregistered.notify_one();
                false
            }
            Admission::Closed => false,
        }
    }

    /// The versions of Produce that mean what the open transaction is about.
    pub(crate) fn produce_versions(&self) -> (i16, i16) {
        match self.machine().version() {
            Some(Version::V2) => (PRODUCE_VERSION_V2, PRODUCE_VERSION_V2),
            Some(Version::V1) | None => (PRODUCE_VERSION_MIN, PRODUCE_VERSION_MAX_V1),
        }
    }

    /// A record of the open transaction is lost, or may be.
    pub(crate) fn on_record_failed(&self, error: &ProduceError) {
        self.fail(TransactionError::aborted(error.clone()));
    }

    /// The partition has used a sequence that its leader may never see.
    pub(crate) fn note_gap(&self, partition: &Partition) {
        self.machine().note_gap();
        if !self.has_failed() {
            let context = format!("a batch of {}", name_of(partition));
            let error = Error::broker(ErrorCode::OutOfOrderSequenceNumber, context);
            self.fail(TransactionError::aborted(error));
        }
    }

    /// The open transaction can only be aborted.
    pub(crate) fn fail(&self, error: TransactionError) {
        let mut machine = self.machine();
        machine.fail(error);
        self.take_failure(&machine);
    }

    /// The producer cannot go on.
    pub(crate) fn break_down(&self, error: TransactionError) {
        let mut machine = self.machine();
        machine.break_down(error);
        self.take_failure(&machine);
    }

    /// Changes the state and tells those who wait.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine();
        let result = change(&mut machine);
        self.take_failure(&machine);
        result
    }

    fn take_failure(&self, machine: &Machine) {
        let has_failed = machine.failure().is_some();
        self.has_failed.store(has_failed, Ordering::Release);
        self.progress.notify_waiters();
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    pub(crate) fn failure(&self) -> Option<TransactionError> {
        if !self.has_failed() {
            return None;
        }
        self.machine().failure().cloned()
    }

    /// Calls `give_up` with the failure of the open transaction, if it has one. The next one does
    /// not begin meanwhile: its records would be given up for a failure that is not theirs.
    pub(crate) fn with_failure(&self, give_up: impl FnOnce(&ProduceError)) {
        let _giving_up = self.giving_up();
        if let Some(failure) = self.failure() {
            give_up(&failure.as_produce_error());
        }
    }

    /// As [`Machine::begin`].
    pub(super) fn begin(&self, version: Version) -> bool {
        let _nobody_gives_up = self.giving_up();
        self.update(|machine| machine.begin(version))
    }

    fn giving_up(&self) -> MutexGuard<'_, ()> {
        self.giving_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn on_progress(&self) {
        self.progress.notify_waiters();
    }

    /// Resolves with the next progress after it was enabled.
    pub(super) fn progress(&self) -> Notified<'_> {
        self.progress.notified()
    }

    /// Resolves when partitions wait to be registered.
    pub(super) async fn unregistered(&self) {
        self.unregistered.notified().await;
    }
}

impl TransactionError {
    /// What those are told who wait for a record of a transaction that has failed.
    pub(crate) fn as_produce_error(&self) -> ProduceError {
        match self.reason() {
            Reason::Record(error) => error.clone(),
            Reason::Request(error) => Error::clone(error).into(),
        }
    }
}

fn name_of(partition: &Partition) -> TopicPartition {
    TopicPartition {
        topic: Arc::clone(partition.topic()),
        partition: partition.index(),
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Gate")
            .field("transactional_id", &self.transactional_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
