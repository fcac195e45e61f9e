//! Tells the log, for development.

use super::{Delivering, Delivery};
use crate::store::Unsent;

/// Writes each notification as a log event, without its content: that is the user's.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogDelivery;

impl Delivery for LogDelivery {
    fn deliver<'a>(&'a self, notification: &'a Unsent) -> Delivering<'a> {
        Box::pin(async move {
            tracing::info!(
                event = "notification_sent",
                identity = %notification.identity,
                user_id = %notification.user_id,
                kind = %notification.event,
                content_bytes = notification.content.len(),
            );
            Ok(())
        })
    }
}
