//! The one task of a reliable publisher: waits for the next retry, and carries out what is
//! to be done about failed messages.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::limits::AT_WORK_MAX;
use super::shared::Shared;

/// Runs until told to stop, or until nobody can publish any more and all is settled.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut at_work = FuturesUnordered::new();
    loop {
        while at_work.len() < AT_WORK_MAX
            && let Some(action) = shared.change(|schedule| schedule.next_action(Instant::now()))
        {
            at_work.push(shared.perform(action));
        }
        let has_room = at_work.len() < AT_WORK_MAX;
        if at_work.is_empty() && shared.is_stopped() {
            return;
        }
        let is_abandoned = shared.is_abandoned.load(Ordering::Acquire);
        let due = shared.schedule().next_due();
        let mut settled = pin!(shared.counters.until_idle());
        tokio::select! {
            Some(()) = at_work.next(), if !at_work.is_empty() => {}
            () = shared.work.notified() => {}
            () = until(due), if has_room => {}
            () = &mut settled, if is_abandoned => {
                if let Some(spooler) = &shared.spooler {
                    spooler.finish().await;
                }
                return;
            }
        }
    }
}

/// Waits for a time; for ever without one.
pub(super) async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
