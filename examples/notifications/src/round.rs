//! One round of deliveries: all that is due, oldest first, one by one.

use std::time::Duration;

use crate::delivery::{Delivery, DeliveryError};
use crate::store::{Store, StoreError, Unsent};

/// Notifications that are looked up at once.
const BATCH: i64 = 100;
/// How long one delivery may take. Below the first pause, so that a delivery has ended before
/// another process may try.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a notification waits after its first failure; then twice as long each time.
const PAUSE: Duration = Duration::from_secs(30);
const PAUSE_MAX: Duration = Duration::from_secs(3600);

const _: () = assert!(DELIVERY_TIMEOUT.as_secs() < PAUSE.as_secs());

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Round {
    /// Notifications that were delivered.
    pub sent: u64,
    /// Notifications that were not; they are tried again later.
    pub failed: u64,
}

/// Delivers what is due, 100 at a time. `now` tells milliseconds since the Unix epoch.
///
/// Each notification is claimed, delivered and marked by itself: a failure stops no other, and two
/// processes do not deliver the same one.
///
/// # Errors
/// When the database refuses; what was delivered stays so.
pub async fn deliver_due(
    store: &Store,
    delivery: &dyn Delivery,
    now: impl Fn() -> i64,
) -> Result<Round, StoreError> {
    let mut round = Round::default();
    // What comes while it runs is the next round's.
    let until = now();
    loop {
        let due = store.due(until, BATCH).await?;
        for notification in &due {
            // A clock that was set back does not make it due again within this round.
            let claimed_at = now().max(until);
            let next_attempt_at = claimed_at.saturating_add(pause_ms(notification.attempts));
            if !store.claim(notification.id, until, next_attempt_at).await? {
                continue;
            }
            match deliver(delivery, notification).await {
                Ok(()) => {
                    store.mark_sent(notification.id, now()).await?;
                    round.sent += 1;
                }
                Err(error) => {
                    tracing::warn!(
                        event = "notification_failed",
                        identity = %notification.identity,
                        attempt = notification.attempts + 1,
                        %error,
                    );
                    let error = error.to_string();
                    store.mark_failed(notification.id, &error).await?;
                    round.failed += 1;
                }
            }
        }
        if due.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            return Ok(round);
        }
    }
}

async fn deliver(delivery: &dyn Delivery, notification: &Unsent) -> Result<(), DeliveryError> {
    let delivering = delivery.deliver(notification);
    match tokio::time::timeout(DELIVERY_TIMEOUT, delivering).await {
        Ok(delivered) => delivered,
        Err(_) => Err(DeliveryError::new(format_args!(
            "not delivered within {DELIVERY_TIMEOUT:?}"
        ))),
    }
}

/// How long to wait before the next attempt, after so many.
fn pause_ms(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).min(16);
    let pause = PAUSE.saturating_mul(1 << doublings).min(PAUSE_MAX);
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
