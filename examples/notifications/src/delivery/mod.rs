//! How a notification reaches its user: a trait, with a log and an HTTP webhook.

mod log;
mod webhook;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use self::log::LogDelivery;
pub use self::webhook::{WebhookDelivery, WebhookError};
use crate::store::Unsent;

/// Delivers one notification.
///
/// It may be asked twice for the same one: when the process ends between a delivery and the note
/// of it. [`Unsent::identity`] is the same both times, so that the receiver can tell.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not deliver notifications",
    note = "implement `Delivery` for it: `deliver` gets the notification and returns `deliver(async move {{ … }})`"
)]
pub trait Delivery: Send + Sync + 'static {
    /// Delivers it, or says why not; it is tried again later then.
    fn deliver<'a>(&'a self, notification: &'a Unsent) -> Delivering<'a>;
}

/// A delivery on its way.
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>>;

/// Any delivery.
pub type AnyDelivery = Arc<dyn Delivery>;

/// Why a notification was not delivered.
#[derive(Debug)]
pub struct DeliveryError(String);

impl DeliveryError {
    /// In words; they are kept with the notification.
    pub fn new(problem: impl fmt::Display) -> DeliveryError {
        DeliveryError(problem.to_string())
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for DeliveryError {}
