//! The broker's two clocks: a monotonic one for timers, a wall clock for timestamps.
//!
//! Owns the only calls that read a clock. State machines never come here: they
//! are handed the time.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The monotonic time; tests that pause tokio's time move it.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the Unix epoch, as record timestamps count them.
pub(crate) fn wall_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    })
}
