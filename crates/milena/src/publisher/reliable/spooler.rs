//! Who goes through the spool and who does not, and the task that writes to it.
//!
//! While the spool holds anything, every new message goes there, behind it; the replay begins
//! once nothing that was sent past the spool is open. So the order of a key holds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::context::DeliveryContext;
use super::counts::Counters;
use super::limits::SPOOLED_AT_ONCE_MAX;
use super::shared::Shared;
use crate::publisher::PublishError;
use crate::publisher::spool::{Batch, Lane, Spool, SpoolError, Store, encode};

/// The spool of one publisher.
pub(super) struct Spooler {
    /// `None` once it is closed. Locked on threads that may block.
    store: Mutex<Option<Store>>,
    sync_interval: Option<std::time::Duration>,
    queue: Mutex<Queue>,
    /// As `queue.mode` is not [`Mode::Past`], to be read without its lock.
    is_diverting: AtomicBool,
    /// Where the numbers of messages begin, in the order in which they are taken.
    pub(super) first_number: u64,
    /// The writer has something to do.
    pub(super) work: Notify,
    /// The mode changed, or something was written or could not be.
    pub(super) changed: Notify,
    /// What the tasks are to do.
    pub(super) stage: watch::Sender<Stage>,
    /// Tasks that did not end yet.
    running: watch::Sender<u32>,
    /// When what waits the longest was spooled, in milliseconds since the Unix epoch.
    oldest_at: AtomicU64,
    facts: Mutex<Facts>,
}

/// How far its end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    /// What is being replayed is brought to its end, no more.
    NoReplay,
    /// What is queued is written, no more.
    Finishing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing is spooled; messages are sent.
    Past,
    /// New messages are spooled.
    Through,
    /// Little is left: new messages wait until it is replayed.
    Handover,
}

struct Queue {
    mode: Mode,
    /// As many as there are publishing, and failed messages, which are bounded.
    items: Vec<Item>,
}

/// A message to be written.
pub(super) struct Item {
    pub(super) context: Box<DeliveryContext>,
    pub(super) way: Way,
}

/// Where a message comes from, which says what to do if it cannot be written.
pub(super) enum Way {
    /// New: its publisher hears of it.
    New(oneshot::Sender<Result<(), SpoolError>>),
    /// An attempt failed: it is treated as without a spool.
    Failed,
    /// Neither its topic nor its dead letter topic took it: it is failed.
    LastResort(Box<PublishError>),
}

/// What happens to a new message.
pub(super) enum Offer {
    /// It may be sent.
    Send(Box<DeliveryContext>),
    /// It is to be offered again when something has changed.
    Wait(Box<DeliveryContext>),
    /// It is being written.
    Queued(oneshot::Receiver<Result<(), SpoolError>>),
}

/// What is known of the files without asking them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) damaged_bytes: u64,
}

impl Spooler {
    /// Opens the spool. Blocks on files.
    pub(super) fn open(settings: Spool) -> Result<Spooler, SpoolError> {
        let sync_interval = settings.sync_interval();
        let store = Store::open(settings)?;
        let facts = facts(&store);
        let is_diverting = facts.messages > 0;
        let mode = if is_diverting {
            Mode::Through
        } else {
            Mode::Past
        };
        if is_diverting {
            tracing::info!(event = "spool_recovered", messages = facts.messages);
        }
        Ok(Spooler {
            sync_interval,
            queue: Mutex::new(Queue {
                mode,
                items: Vec::new(),
            }),
            is_diverting: AtomicBool::new(is_diverting),
            first_number: store.first_number(),
            work: Notify::new(),
            changed: Notify::new(),
            stage: watch::Sender::new(Stage::Running),
            running: watch::Sender::new(2),
            oldest_at: AtomicU64::new(0),
            facts: Mutex::new(facts),
            store: Mutex::new(Some(store)),
        })
    }

    #[inline]
    pub(super) fn is_diverting(&self) -> bool {
        self.is_diverting.load(Ordering::SeqCst)
    }

    /// From here on new messages go to the spool; tells whether they did not before.
    pub(super) fn divert(&self) -> bool {
        self.set_mode(Mode::Through) == Mode::Past
    }

    /// New messages wait for the rest to be replayed.
    pub(super) fn hand_over(&self) {
        self.set_mode(Mode::Handover);
    }

    /// Ends the diversion unless somebody has come meanwhile. Whoever is queued is open until it
    /// is known what is in the files, so nobody is between the two.
    pub(super) fn resume(&self, counters: &Counters) {
        let mut queue = self.queue();
        let is_idle = counters.read().pending() == 0;
        if !is_idle || !queue.items.is_empty() || self.facts().messages > 0 {
            return;
        }
        queue.mode = Mode::Past;
        self.is_diverting.store(false, Ordering::SeqCst);
        drop(queue);
        self.changed.notify_waiters();
    }

    /// Takes a new message to be written, unless it need not be.
    pub(super) fn offer(&self, context: Box<DeliveryContext>, counters: &Counters) -> Offer {
        let mut queue = self.queue();
        match queue.mode {
            Mode::Past => Offer::Send(context),
            Mode::Handover => Offer::Wait(context),
            Mode::Through => {
                counters.begin().stays();
                let (receipt, written) = oneshot::channel();
                let way = Way::New(receipt);
                queue.items.push(Item { context, way });
                drop(queue);
                self.work.notify_one();
                Offer::Queued(written)
            }
        }
    }

    /// Takes a message that was taken before, to be written; with it, new ones go to the spool.
    pub(super) fn push(&self, context: Box<DeliveryContext>, way: Way) {
        self.divert();
        self.queue().items.push(Item { context, way });
        self.work.notify_one();
    }

    /// Does something with the files, on a thread that may block.
    pub(super) async fn with_store<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Store) -> Result<R, SpoolError> + Send + 'static,
    ) -> Result<R, SpoolError> {
        let spooler = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut store = lock(&spooler.store);
            let Some(store) = store.as_mut() else {
                return Err(SpoolError::Closed);
            };
            let result = work(store);
            *lock(&spooler.facts) = facts(store);
            result
        });
        // The runtime is being shut down.
        done.await.unwrap_or(Err(SpoolError::Closed))
    }

    pub(super) fn facts(&self) -> Facts {
        *lock(&self.facts)
    }

    /// When what waits the longest was spooled, as far as is known.
    pub(super) fn oldest_at(&self) -> Option<u64> {
        Some(self.oldest_at.load(Ordering::Relaxed))
            .filter(|at| *at > 0 && self.facts().messages > 0)
    }

    /// The replay has come to a message of that time; with 0, to none.
    pub(super) fn set_oldest_at(&self, spooled_at: i64) {
        let at = u64::try_from(spooled_at).unwrap_or(0);
        self.oldest_at.store(at, Ordering::Relaxed);
    }

    /// A task of it has ended.
    pub(super) fn leave(&self) {
        self.running.send_modify(|running| *running -= 1);
    }

    /// Replays nothing more that is not on its way.
    pub(super) fn stop_replay(&self) {
        self.raise(Stage::NoReplay);
    }

    /// Writes what is queued, waits for both tasks, and closes the files. What comes later is
    /// refused.
    pub(super) async fn finish(self: &Arc<Self>) {
        self.raise(Stage::Finishing);
        self.work.notify_one();
        self.changed.notify_waiters();
        let mut running = self.running.subscribe();
        // The sender is ours, so it is there.
        let _ = running.wait_for(|running| *running == 0).await;
        match self.with_store(Store::sync).await {
            Ok(()) | Err(SpoolError::Closed) => {}
            Err(error) => tracing::error!(event = "spool_not_synced", %error),
        }
        let spooler = self.clone();
        let _ = tokio::task::spawn_blocking(move || lock(&spooler.store).take()).await;
    }

    fn raise(&self, stage: Stage) {
        self.stage
            .send_if_modified(|now| std::mem::replace(now, stage.max(*now)) < stage);
    }

    fn set_mode(&self, mode: Mode) -> Mode {
        let mut queue = self.queue();
        let before = std::mem::replace(&mut queue.mode, mode);
        self.is_diverting
            .store(mode != Mode::Past, Ordering::SeqCst);
        drop(queue);
        if before != mode {
            self.changed.notify_waiters();
        }
        before
    }

    fn take_items(&self) -> Vec<Item> {
        let mut queue = self.queue();
        let count = queue.items.len().min(SPOOLED_AT_ONCE_MAX);
        let mut items: Vec<Item> = queue.items.drain(..count).collect();
        drop(queue);
        // What goes to the same file lies together, and so is written at once.
        items.sort_by_key(|item| matches!(item.way, Way::New(_)));
        items
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

/// Writes what is queued, as much at once as there is, until told to finish.
pub(super) async fn write(shared: Arc<Shared>, spooler: Arc<Spooler>) {
    let mut sync_at: Option<Instant> = None;
    let mut batch = Batch::default();
    loop {
        let items = spooler.take_items();
        if items.is_empty() {
            if *spooler.stage.borrow() == Stage::Finishing {
                break;
            }
            tokio::select! {
                () = spooler.work.notified() => {}
                () = super::worker::until(sync_at) => {
                    sync_at = None;
                    if let Err(error) = spooler.with_store(Store::sync).await {
                        tracing::error!(event = "spool_not_synced", %error);
                    }
                }
            }
            continue;
        }
        let outcomes = append(&spooler, &items, &mut batch).await;
        for (item, outcome) in items.into_iter().zip(outcomes) {
            shared.on_spooled(item, outcome);
        }
        if let Some(interval) = spooler.sync_interval {
            sync_at.get_or_insert_with(|| Instant::now() + interval);
        }
    }
    spooler.leave();
}

/// Writes messages as one batch, whose buffer is used again.
async fn append(
    spooler: &Arc<Spooler>,
    items: &[Item],
    batch: &mut Batch,
) -> Vec<Result<(), SpoolError>> {
    let now = Timestamp::now().as_millisecond();
    for Item { context, way } in items {
        let lane = match way {
            Way::New(_) => Lane::Accepted,
            Way::Failed | Way::LastResort(_) => Lane::Failed {
                number: context.trail.number,
            },
        };
        batch.push(lane, |bytes| {
            encode(
                bytes,
                &context.message,
                &context.id,
                context.trail.attempts,
                now,
            );
        });
    }
    let was_empty = spooler.facts().messages == 0;
    let mut full = std::mem::take(batch);
    let appended = spooler.with_store(move |store| {
        let outcomes = store.append(&mut full);
        full.clear();
        Ok((outcomes, full))
    });
    let appended = appended.await;
    if was_empty {
        spooler.set_oldest_at(now);
    }
    match appended {
        Ok((outcomes, emptied)) => {
            *batch = emptied;
            outcomes
        }
        Err(error) => vec![Err(error); items.len()],
    }
}

fn facts(store: &Store) -> Facts {
    Facts {
        messages: store.len(),
        bytes: store.bytes(),
        damaged_bytes: store.damaged_bytes(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
