//! The wall clock: the machine's, or one that a test has stopped.
//!
//! Owns the place where a test's takes over, on the thread that runs it. What must agree with
//! tokio's time asks here; timestamps of records are the machine's.

use jiff::Timestamp;

/// The time it is.
pub(crate) fn now() -> Timestamp {
    #[cfg(feature = "testing")]
    if let Some(stopped) = stopped::now() {
        return stopped;
    }
    Timestamp::now()
}

/// A wall clock that goes by tokio's time, which tests can stop.
#[cfg(feature = "testing")]
pub(crate) mod stopped {
    use std::cell::Cell;

    use jiff::Timestamp;
    use tokio::time::Instant;

    thread_local! {
        static STOPPED: Cell<Option<(Timestamp, Instant)>> = const { Cell::new(None) };
    }

    /// From here on it is `wall` on this thread, and later as tokio's time goes on.
    pub(crate) fn stop_at(wall: Timestamp) {
        STOPPED.set(Some((wall, Instant::now())));
    }

    /// From here on it is what the machine says.
    pub(crate) fn go_on() {
        STOPPED.set(None);
    }

    pub(super) fn now() -> Option<Timestamp> {
        let (wall, stopped) = STOPPED.get()?;
        Some(
            wall.checked_add(stopped.elapsed())
                .unwrap_or(Timestamp::MAX),
        )
    }
}
