//! Looking at an application's health from time to time, whether anybody asks for it or not:
//! a change is logged when it happens, and how long something lasts is known.
//!
//! Judges nothing, and keeps no application.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::running::WeakHandle;

/// Looks every `interval` until the application has ended. A task of its own: the
/// application's may be what hangs.
pub(super) async fn watch(app: WeakHandle, interval: Duration) {
    let mut looks = tokio::time::interval(interval);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match app.upgrade() {
            Some(app) if !app.has_ended() => drop(app.health()),
            _ => return,
        }
    }
}
