//! All transactions of a node: requests in, markers and committed offsets out, timers,
//! storage.
//!
//! Drives the state machines of [`super::transaction`]; owns none of their rules. What
//! is decided is written down first, then made known to partitions and groups, then
//! written down as complete; a crash in between is made good when the node starts.
//! Lock order: a transaction, then the schedule, a log, or the groups.

mod schedule;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use milena_wire::batch::TimestampType;
use milena_wire::batch::control::TransactionEnd;
use milena_wire::error_code::ErrorCode;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::transaction::{
    Addition, EndRequest, Ended, Identity, InitRequest, Initialized, Protocol, State,
    TopicPartition, Transaction,
};
use crate::clock;
use crate::limits;
use crate::log::marker::Marker;
use crate::log::partition::Stamp;
use crate::node::Node;
use crate::server::stopped;
use crate::storage::{Storage, TransactionRecord};
use schedule::Schedule;

/// There has been one coordinator only.
const COORDINATOR_EPOCH: i32 = 0;
/// When to try again what the disk refused.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How a partition or a group gets into a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registration {
    /// Its producer has added it before, by request.
    Explicit,
    /// With the first that is written (KIP-890).
    Implicit,
}

/// The transactions of a node.
pub(crate) struct Transactions {
    storage: Arc<Storage>,
    entries: RwLock<HashMap<Arc<str>, Arc<Mutex<Entry>>>>,
    schedule: Mutex<Schedule>,
    /// The earliest deadline has changed.
    rescheduled: Notify,
}

struct Entry {
    id: Arc<str>,
    transaction: Transaction,
    /// Was removed after somebody had looked it up.
    is_removed: bool,
}

impl Transactions {
    /// The transactions as the storage remembers them.
    pub(crate) fn open(storage: Arc<Storage>, known: BTreeMap<Arc<str>, Transaction>) -> Self {
        let entries = known.into_iter().map(|(id, transaction)| {
            let entry = Entry::new(id.clone(), transaction);
            (id, Arc::new(Mutex::new(entry)))
        });
        Transactions {
            storage,
            entries: RwLock::new(entries.collect()),
            schedule: Mutex::default(),
            rescheduled: Notify::new(),
        }
    }

    /// Makes known what was decided before the node stopped, and watches over the rest.
    pub(crate) fn resume(&self, node: &Node) {
        for entry in self.all() {
            let mut entry = lock(&entry);
            match entry.transaction.state {
                State::Preparing(_) => self.make_known(node, &mut entry),
                State::Ongoing => self.watch_over(&entry),
                State::Empty | State::Complete(_) => {}
            }
        }
    }

    /// Runs the timers until the broker stops.
    pub(crate) async fn run(&self, node: &Node, mut stop: watch::Receiver<bool>) {
        loop {
            let next = self.run_due(node, clock::now());
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.rescheduled.notified() => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Gives a producer its identity, which shuts out whoever had the id before.
    pub(crate) fn init(
        &self,
        node: &Node,
        id: &str,
        mut request: InitRequest,
    ) -> Result<Identity, ErrorCode> {
        let entry = self.find_or_create(id)?;
        let mut entry = present(&entry)?;
        loop {
            let mut next = entry.transaction.clone();
            let outcome = next.init(request, || self.fresh_id(), clock::wall_ms())?;
            self.save(&mut entry, next)?;
            match outcome {
                Initialized::As(identity) => {
                    self.schedule().forget(&entry.id);
                    return Ok(identity);
                }
                Initialized::AfterAbort => {
                    self.make_known(node, &mut entry);
                    request.current = None;
                }
            }
        }
    }

    /// Adds partitions or groups to a transaction, which begins if need be.
    pub(crate) fn add<'a>(
        &self,
        id: &str,
        who: Identity,
        what: impl IntoIterator<Item = Addition<'a>>,
    ) -> Result<(), ErrorCode> {
        let entry = self.find(id)?;
        let mut entry = present(&entry)?;
        self.add_to(&mut entry, who, what, Protocol::V1)
    }

    /// Whether a transaction is going on and contains this partition.
    pub(crate) fn verify(
        &self,
        id: &str,
        who: Identity,
        partition: &TopicPartition,
    ) -> Result<(), ErrorCode> {
        let entry = self.find(id)?;
        let entry = present(&entry)?;
        entry.transaction.check(who, Addition::Partition(partition))
    }

    /// Calls `write` if `who` may write this as part of its transaction. The
    /// transaction does not end meanwhile.
    pub(crate) fn write_within<T>(
        &self,
        id: &str,
        who: Identity,
        what: Addition<'_>,
        registration: Registration,
        write: impl FnOnce() -> T,
    ) -> Result<T, ErrorCode> {
        let entry = self.find(id)?;
        let mut entry = present(&entry)?;
        match registration {
            Registration::Explicit => entry.transaction.check(who, what)?,
            Registration::Implicit => self.add_to(&mut entry, who, [what], Protocol::V2)?,
        }
        Ok(write())
    }

    /// Stores offsets that count once the transaction is committed.
    pub(crate) fn commit_offsets(
        &self,
        id: &str,
        who: Identity,
        group: &Arc<str>,
        registration: Registration,
        store: impl FnOnce() -> Result<(), ErrorCode>,
    ) -> Result<(), ErrorCode> {
        self.write_within(id, who, Addition::Group(group), registration, store)?
    }

    /// Ends a transaction; gives back who the producer is from now on.
    pub(crate) fn end(
        &self,
        node: &Node,
        id: &str,
        request: EndRequest,
    ) -> Result<Identity, ErrorCode> {
        let entry = self.find(id)?;
        let mut entry = present(&entry)?;
        let mut next = entry.transaction.clone();
        match next.end(request, || self.fresh_id(), clock::wall_ms())? {
            Ended::Already(identity) => Ok(identity),
            Ended::Decided(identity) => {
                self.save(&mut entry, next)?;
                self.make_known(node, &mut entry);
                Ok(identity)
            }
        }
    }

    /// Looks at one transaction; `None` if the id is not known.
    pub(crate) fn inspect<T>(&self, id: &str, look: impl FnOnce(&Transaction) -> T) -> Option<T> {
        let entry = self.find(id).ok()?;
        let entry = present(&entry).ok()?;
        Some(look(&entry.transaction))
    }

    /// Looks at all transactions, by id.
    pub(crate) fn list<T>(&self, mut look: impl FnMut(&Arc<str>, &Transaction) -> T) -> Vec<T> {
        let mut all = self.all();
        all.sort_by_key(|entry| lock(entry).id.clone());
        all.iter()
            .map(|entry| {
                let entry = lock(entry);
                look(&entry.id, &entry.transaction)
            })
            .collect()
    }

    /// A topic is gone: its partitions wait for no marker.
    pub(crate) fn forget_topic(&self, topic: &str) {
        for entry in self.all() {
            let mut entry = lock(&entry);
            let mut next = entry.transaction.clone();
            if next.forget_topic(topic) {
                // What stays on disk is left out when markers are written.
                let _ = self.save(&mut entry, next);
            }
        }
    }

    /// Forgets ids of which nothing was heard since `oldest_ms`.
    pub(crate) fn expire(&self, oldest_ms: i64) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|id, entry| {
            let mut entry = lock(entry);
            if !entry.transaction.is_expired(oldest_ms) {
                return true;
            }
            let removed = TransactionRecord {
                id: id.clone(),
                transaction: None,
            };
            entry.is_removed = self.storage.save_transaction(&removed).is_ok();
            !entry.is_removed
        });
    }

    fn add_to<'a>(
        &self,
        entry: &mut Entry,
        who: Identity,
        what: impl IntoIterator<Item = Addition<'a>>,
        protocol: Protocol,
    ) -> Result<(), ErrorCode> {
        let mut next = entry.transaction.clone();
        if !next.add(who, what, protocol, clock::wall_ms())? {
            return Ok(());
        }
        let is_new = entry.transaction.state != State::Ongoing;
        self.save(entry, next)?;
        if is_new {
            self.watch_over(entry);
        }
        Ok(())
    }

    /// Tells partitions and groups what was decided, then takes it for complete.
    fn make_known(&self, node: &Node, entry: &mut Entry) {
        let State::Preparing(end) = entry.transaction.state else {
            return;
        };
        let is_known = write_markers(node, &entry.transaction, end)
            && settle_groups(node, &entry.transaction, end);
        let mut next = entry.transaction.clone();
        next.complete(clock::wall_ms());
        if is_known && self.save(entry, next).is_ok() {
            return;
        }
        let again_at = clock::now() + RETRY_AFTER;
        self.reschedule(&entry.id, again_at);
    }

    /// Does what is due and says when to come again.
    fn run_due(&self, node: &Node, now: Instant) -> Instant {
        loop {
            let id = match self.schedule().take_due(now) {
                Ok(id) => id,
                Err(next) => return next,
            };
            let Ok(entry) = self.find(&id) else {
                continue;
            };
            let mut entry = lock(&entry);
            if entry.transaction.state == State::Ongoing {
                self.time_out(&mut entry);
            }
            self.make_known(node, &mut entry);
        }
    }

    /// Decides to abort a transaction that has taken too long.
    fn time_out(&self, entry: &mut Entry) {
        let now_ms = clock::wall_ms();
        let transaction = &entry.transaction;
        let timeout_ms = i64::from(transaction.timeout_ms);
        let left_ms = transaction.started_ms + timeout_ms - now_ms;
        if left_ms > 0 {
            // This one began after the one whose deadline was scheduled.
            let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
            return self.reschedule(&entry.id, clock::now() + left);
        }
        tracing::info!(event = "transaction_timed_out", transactional_id = %entry.id, timeout_ms);
        let mut next = transaction.clone();
        next.shut_out(now_ms);
        if self.save(entry, next).is_err() {
            self.reschedule(&entry.id, clock::now() + RETRY_AFTER);
        }
    }

    /// Has the timer come back when the transaction has taken too long.
    fn watch_over(&self, entry: &Entry) {
        let timeout_ms = u64::try_from(entry.transaction.timeout_ms).unwrap_or(0);
        self.reschedule(&entry.id, clock::now() + Duration::from_millis(timeout_ms));
    }

    fn reschedule(&self, id: &Arc<str>, at: Instant) {
        if self.schedule().add(id, at) {
            self.rescheduled.notify_one();
        }
    }

    /// Writes down what comes next, then takes it for true.
    fn save(&self, entry: &mut Entry, next: Transaction) -> Result<(), ErrorCode> {
        let record = TransactionRecord {
            id: entry.id.clone(),
            transaction: Some(next),
        };
        self.storage.save_transaction(&record).map_err(|error| {
            tracing::error!(event = "transaction_not_saved", error = %error);
            ErrorCode::CoordinatorNotAvailable
        })?;
        if let Some(next) = record.transaction {
            entry.transaction = next;
        }
        Ok(())
    }

    fn fresh_id(&self) -> Result<i64, ErrorCode> {
        self.storage.next_producer_id().map_err(|error| {
            tracing::error!(event = "producer_id_not_saved", error = %error);
            ErrorCode::CoordinatorNotAvailable
        })
    }

    fn find(&self, id: &str) -> Result<Arc<Mutex<Entry>>, ErrorCode> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(id).cloned();
        entry.ok_or(ErrorCode::InvalidProducerIdMapping)
    }

    fn find_or_create(&self, id: &str) -> Result<Arc<Mutex<Entry>>, ErrorCode> {
        if let Ok(entry) = self.find(id) {
            return Ok(entry);
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= limits::TRANSACTIONAL_IDS_MAX {
            tracing::warn!(event = "transactional_id_refused", reason = "too many ids");
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let id: Arc<str> = Arc::from(id);
        let entry = entries.entry(id.clone());
        let new = || Arc::new(Mutex::new(Entry::new(id, Transaction::new())));
        Ok(entry.or_insert_with(new).clone())
    }

    fn all(&self) -> Vec<Arc<Mutex<Entry>>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().cloned().collect()
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(id: Arc<str>, transaction: Transaction) -> Self {
        Entry {
            id,
            transaction,
            is_removed: false,
        }
    }
}

/// Locks an entry that may have been removed since it was looked up; then the request
/// is to be repeated.
fn present(entry: &Arc<Mutex<Entry>>) -> Result<MutexGuard<'_, Entry>, ErrorCode> {
    let entry = lock(entry);
    if entry.is_removed {
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    Ok(entry)
}

fn lock(entry: &Arc<Mutex<Entry>>) -> MutexGuard<'_, Entry> {
    // Only a panic of our own poisons it, and a transaction is replaced as a whole.
    entry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the marker into each partition; says whether all have it. A second one in
/// the same partition ends nothing.
fn write_markers(node: &Node, transaction: &Transaction, end: TransactionEnd) -> bool {
    let marker = Marker {
        producer_id: transaction.identity.id,
        epoch: transaction.identity.epoch,
        coordinator_epoch: COORDINATOR_EPOCH,
        end,
    };
    let mut all = true;
    for (topic, index) in &transaction.partitions {
        let topic = node.topics.by_name(topic);
        let Some(partition) = topic.and_then(|topic| topic.partition(*index)) else {
            continue;
        };
        let stamp = Stamp {
            timestamp_type: TimestampType::CreateTime,
            now_ms: clock::wall_ms(),
        };
        match partition.log.append_marker(marker, stamp) {
            Ok(_) => {}
            // A newer marker is there already: this one has been written before.
            Err(refusal) if refusal.code == ErrorCode::InvalidProducerEpoch => {}
            Err(refusal) => {
                tracing::error!(event = "marker_not_written", reason = refusal.message);
                all = false;
            }
        }
    }
    all
}

fn settle_groups(node: &Node, transaction: &Transaction, end: TransactionEnd) -> bool {
    let is_committed = end == TransactionEnd::Commit;
    let settle = |group: &Arc<str>| {
        let producer_id = transaction.identity.id;
        node.groups.settle(group, producer_id, is_committed).is_ok()
    };
    // Each has to be told, whatever became of the others.
    transaction
        .groups
        .iter()
        .map(settle)
        .fold(true, |all, one| all & one)
}

#[cfg(test)]
mod tests;
