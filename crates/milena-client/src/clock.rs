//! A coarse wall clock for record timestamps: two loads instead of a system call per record. It must
//! not be used for timeouts; those take `Instant`s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How stale [`CoarseClock::now_ms`] may be while the runtime keeps up.
const TICK: Duration = Duration::from_millis(1);

/// Milliseconds since the epoch, kept up to date by a task that sleeps while nobody asks.
#[derive(Debug)]
pub(crate) struct CoarseClock {
    shared: Arc<Shared>,
    ticker: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    now_ms: AtomicI64,
    /// The ticker runs; while it does not, readers ask the system themselves and wake it.
    is_ticking: AtomicBool,
    /// Somebody asked since the last tick.
    was_read: AtomicBool,
    wake: Notify,
}

impl CoarseClock {
    /// Starts the ticker. Must be called within a tokio runtime.
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared {
            now_ms: AtomicI64::new(system_now_ms()),
            is_ticking: AtomicBool::new(false),
            was_read: AtomicBool::new(false),
            wake: Notify::new(),
        });
        let ticker = tokio::spawn(tick(Arc::clone(&shared))).abort_handle();
        Self { shared, ticker }
    }

    /// Milliseconds since 1970-01-01 UTC, about a millisecond old at most.
    #[inline]
    pub(crate) fn now_ms(&self) -> i64 {
        let shared = &self.shared;
        if !shared.is_ticking.load(Ordering::Acquire) {
            return shared.wake_up();
        }
        if !shared.was_read.load(Ordering::Relaxed) {
            shared.was_read.store(true, Ordering::Relaxed);
        }
        shared.now_ms.load(Ordering::Relaxed)
    }
}

impl Drop for CoarseClock {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

impl Shared {
    #[cold]
    fn wake_up(&self) -> i64 {
        self.wake.notify_one();
        system_now_ms()
    }
}

async fn tick(shared: Arc<Shared>) {
    loop {
        shared.wake.notified().await;
        shared.now_ms.store(system_now_ms(), Ordering::Relaxed);
        shared.is_ticking.store(true, Ordering::Release);
        loop {
            tokio::time::sleep(TICK).await;
            shared.now_ms.store(system_now_ms(), Ordering::Relaxed);
            if !shared.was_read.swap(false, Ordering::Relaxed) {
                break;
            }
        }
        shared.is_ticking.store(false, Ordering::Release);
    }
}

/// Milliseconds since 1970-01-01 UTC, from the system: for who asks seldom. A clock that ticks only for
/// them would wake the processor each millisecond.
pub(crate) fn system_now_ms() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
