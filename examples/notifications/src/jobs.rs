//! What the service does by the clock: deliver, report what waits, forget what was sent long ago.
//!
//! Owns what a run of each does and says; when they run is the settings'.

use jiff::Timestamp;
use milena::State;

use crate::round::{Round, deliver_due};
use crate::service::Shared;
use crate::store::{Backlog, StoreError};

/// Delivers what is due.
pub(crate) async fn deliver(State(shared): State<Shared>) -> Result<(), StoreError> {
    let round = deliver_due(&shared.store, &*shared.delivery, now).await?;
    if round != Round::default() {
        tracing::info!(
            event = "notifications_delivered",
            sent = round.sent,
            failed = round.failed
        );
    }
    Ok(())
}

/// Says how much waits; nothing when nothing does.
pub(crate) async fn report(State(shared): State<Shared>) -> Result<(), StoreError> {
    let now = now();
    let Some(Backlog {
        waiting,
        tried,
        oldest_created_at,
    }) = shared.store.backlog().await?
    else {
        return Ok(());
    };
    let oldest_s = now.saturating_sub(oldest_created_at).max(0) / 1_000;
    tracing::info!(event = "notifications_waiting", waiting, tried, oldest_s);
    Ok(())
}

/// Forgets what was sent longer ago than it is to be kept.
pub(crate) async fn forget(State(shared): State<Shared>) -> Result<(), StoreError> {
    let keep_ms = i64::try_from(shared.keep.as_millis()).unwrap_or(i64::MAX);
    let forgotten = shared
        .store
        .forget_sent_before(now().saturating_sub(keep_ms))
        .await?;
    if forgotten > 0 {
        tracing::info!(event = "notifications_forgotten", forgotten);
    }
    Ok(())
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
