//! A flag that tells tasks to finish what they are at: cheap to look at for every record,
//! and something to wait for.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Raised once, never lowered.
#[derive(Debug, Default)]
pub(super) struct StopFlag {
    is_raised: AtomicBool,
    notify: Notify,
}

impl StopFlag {
    pub(super) fn raise(&self) {
        self.is_raised.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub(super) fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Acquire)
    }

    /// Waits until the flag is raised.
    pub(super) async fn raised(&self) {
        // Registered before the flag is looked at: a raise in between is not missed.
        let notified = self.notify.notified();
        if !self.is_raised() {
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests;
