//! A service on Milena: messages of a topic become notifications, kept in a database and delivered.
//!
//! ```text
//! topic ─► handler ─► row (unsent) ─► every 30 s: claim ─► deliver ─► row (sent)
//! ```
//!
//! - A message without `user_id`, `event` or `content` goes to the dead letter topic, with the names
//!   of the fields.
//! - A row is inserted once, however often its message comes: [`identity`] is unique. The offset is
//!   committed after the row, so a crash in between repeats the message, and changes nothing.
//! - Unsent rows are delivered oldest first, each in transactions of its own; what fails is tried
//!   again later, and holds up nothing else. Several processes share the work on PostgreSQL.
//! - A crash between a delivery and the note of it delivers once more, with the same identity:
//!   no service can tell the two apart, but the receiver can.
//!
//! `MILENA_HEALTH_ADDRESS=127.0.0.1:8080` answers `/live`, `/ready` and `/started`.
//!
//! SQLite and PostgreSQL, by URL. With `?sslmode=verify-full` PostgreSQL has to show a certificate for
//! its host's name, from one of the system's authorities or one in the PEM file of `sslrootcert=FILE`.
//! A webhook over https has to show one from the system's authorities, or from those in the PEM file
//! that `SSL_CERT_FILE` names instead.
//!
//! Another way to the users is a [`Delivery`]:
//!
//! ```
//! use milena_notifications::{Delivering, Delivery, Unsent};
//!
//! struct Console;
//!
//! impl Delivery for Console {
//!     fn deliver<'a>(&'a self, notification: &'a Unsent) -> Delivering<'a> {
//!         Box::pin(async move {
//!             println!("{}: {}", notification.user_id, notification.content);
//!             Ok(())
//!         })
//!     }
//! }
//! ```

mod delivery;
mod message;
mod round;
mod service;
mod settings;
mod store;

pub use self::delivery::{
    AnyDelivery, Delivering, Delivery, DeliveryError, LogDelivery, WebhookDelivery, WebhookError,
};
pub use self::message::{Notification, identity};
pub use self::round::{Round, deliver_due};
pub use self::service::{GROUP, Service, Shared, app};
pub use self::settings::Settings;
pub use self::store::{Counts, Store, StoreError, Unsent};
