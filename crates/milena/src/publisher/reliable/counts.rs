//! How many messages there were, and what became of them; and waiting until none is open.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// What became of the messages that were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DeliveryCounts {
    /// Taken: `publish` returned their ids, or is about to.
    pub accepted: u64,
    /// The topic has them.
    pub delivered: u64,
    /// The dead letter topic has them.
    pub dead_lettered: u64,
    /// Neither has them.
    pub failed: u64,
    /// Attempts beyond each message's first.
    pub retries: u64,
    /// Found in the spool when the publisher was built: an earlier one had accepted them.
    pub recovered: u64,
    /// In the spool now: on disk, and sent when the cluster is back.
    pub spooled: u64,
}

impl DeliveryCounts {
    /// Those whose end is not known yet and that are in memory only; none once the publisher
    /// is closed.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let settled = self.delivered + self.dead_lettered + self.failed + self.spooled;
        (self.accepted + self.recovered).saturating_sub(settled)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Counted before they are handed on, so that none is settled before it is counted …
    begun: AtomicU64,
    /// … and those taken back that were not taken.
    refused: AtomicU64,
    delivered: AtomicU64,
    dead_lettered: AtomicU64,
    failed: AtomicU64,
    retries: AtomicU64,
    /// What was open is counted as failed.
    is_given_up: AtomicBool,
    recovered: AtomicU64,
    /// Messages that went into the spool, recovered ones among them.
    spooled_in: AtomicU64,
    /// Messages that came out of it, to whichever end.
    spooled_out: AtomicU64,
    /// How many wait for the last open message to settle.
    waiters: AtomicU64,
    idle: Notify,
    /// The last message of the spool was settled.
    emptied: Notify,
}

impl Counters {
    pub(super) fn read(&self) -> DeliveryCounts {
        // What is settled first: what is accepted meanwhile counts as open, never the reverse.
        let load = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let (delivered, dead_lettered) = (load(&self.delivered), load(&self.dead_lettered));
        let (failed, retries) = (load(&self.failed), load(&self.retries));
        let spooled_in = load(&self.spooled_in);
        let refused = load(&self.refused);
        DeliveryCounts {
            spooled: spooled_in.saturating_sub(load(&self.spooled_out)),
            accepted: load(&self.begun).saturating_sub(refused),
            recovered: load(&self.recovered),
            delivered,
            dead_lettered,
            failed,
            retries,
        }
    }

    /// So many were in the spool when it was opened.
    pub(super) fn recover(&self, messages: u64) {
        self.recovered.fetch_add(messages, Ordering::SeqCst);
        self.spooled_in.fetch_add(messages, Ordering::SeqCst);
    }

    /// A message that was open is in the spool.
    pub(super) fn park(&self) {
        self.settle(&self.spooled_in);
    }

    pub(super) fn deliver_replayed(&self) {
        self.settle_replayed(&self.delivered);
    }

    pub(super) fn dead_letter_replayed(&self) {
        self.settle_replayed(&self.dead_lettered);
    }

    pub(super) fn fail_replayed(&self) {
        self.settle_replayed(&self.failed);
    }

    fn settle_replayed(&self, counter: &AtomicU64) {
        // In this order, or nobody would be open for a moment although somebody is.
        self.spooled_out.fetch_add(1, Ordering::SeqCst);
        self.settle(counter);
        if self.read().spooled == 0 {
            self.emptied.notify_waiters();
        }
    }

    /// A message is about to be handed on: it is open from here on, unless what is returned is
    /// dropped.
    #[inline]
    pub(super) fn begin(&self) -> Begun<'_> {
        Begun {
            number: self.begun.fetch_add(1, Ordering::SeqCst),
            counters: self,
        }
    }

    /// Takes back a message that was open.
    #[cold]
    pub(super) fn refuse(&self) {
        self.settle(&self.refused);
    }

    /// So many messages are where they should be.
    pub(super) fn deliver(&self, messages: u64) {
        if messages > 0 {
            self.settle_many(&self.delivered, messages);
        }
    }

    pub(super) fn dead_letter(&self) {
        self.settle(&self.dead_lettered);
    }

    pub(super) fn fail(&self) {
        // Whatever was open when it was given up is counted.
        if !self.is_given_up.load(Ordering::SeqCst) {
            self.settle(&self.failed);
        }
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::SeqCst);
    }

    /// Gives up what is open: it is counted as failed. Returns how many.
    pub(super) fn fail_pending(&self) -> u64 {
        self.is_given_up.store(true, Ordering::SeqCst);
        let pending = self.read().pending();
        self.failed.fetch_add(pending, Ordering::SeqCst);
        pending
    }

    /// Waits until no message is open.
    pub(super) async fn until_idle(&self) {
        let _waiter = Waiter::new(&self.waiters);
        loop {
            let idle = self.idle.notified();
            if self.read().pending() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Waits until nothing is in the spool.
    pub(super) async fn until_replayed(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.read().spooled == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn settle(&self, counter: &AtomicU64) {
        self.settle_many(counter, 1);
    }

    fn settle_many(&self, counter: &AtomicU64, messages: u64) {
        counter.fetch_add(messages, Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) > 0 && self.read().pending() == 0 {
            self.idle.notify_waiters();
        }
    }
}

/// A message that is being handed on; dropped, it was not taken.
#[must_use = "a message that is handed on `stays`"]
pub(super) struct Begun<'a> {
    /// Grows in the order of being taken.
    pub(super) number: u64,
    counters: &'a Counters,
}

impl Begun<'_> {
    /// The message is taken.
    #[inline]
    pub(super) fn stays(self) {
        std::mem::forget(self);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.counters.refuse();
    }
}

/// Counts who waits, even if it is cancelled.
struct Waiter<'a>(&'a AtomicU64);

impl<'a> Waiter<'a> {
    fn new(waiters: &'a AtomicU64) -> Waiter<'a> {
        waiters.fetch_add(1, Ordering::SeqCst);
        Waiter(waiters)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
