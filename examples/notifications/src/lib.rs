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
//!
//! What a crash does, wherever it comes; `tests/service/points.rs` ends the service at each:
//!
//! | Between | Afterwards |
//! |---|---|
//! | a row and the commit of its message's offset | the message comes again and changes nothing |
//! | a claim and its delivery | it is delivered once, at its next attempt, 30 s after the first |
//! | a delivery and the note of it | it is delivered again at its next attempt, under the same identity |
//!
//! So a notification is delivered at least once, and more than once only in the last case: no service
//! can tell that from the one before. A receiver can, by the identity: the webhook sends it as
//! `Idempotency-Key`. Who takes each key once has each notification exactly once.
//!
//! Jobs go by the clock: every 30 s what is due is delivered, every 5 minutes it is reported what
//! waits (`event=notifications_waiting`), every 15 minutes what was sent more than 30 days ago is
//! forgotten. `--every`, `--report` and `--forget` take other periods, cron expressions or `never`
//! ([`Timetable`]).
//!
//! SIGUSR1 pauses the consumer: it keeps its place in the group, and is not ready; what is in the
//! database is delivered all the same. SIGUSR2 resumes it. Within a program,
//! [`RunningService::handle`] does it.
//!
//! `MILENA_HEALTH_ADDRESS=127.0.0.1:8080` answers `/live`, `/ready` and `/started`, and
//! Prometheus at `/metrics`. A consumer that does not hear from the cluster is not live; one that can
//! never go on ends the process, with an error.
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
mod jobs;
mod message;
mod round;
mod service;
mod settings;
mod store;
mod switch;
mod timetable;

pub use self::delivery::{
    AnyDelivery, Delivering, Delivery, DeliveryError, LogDelivery, WebhookDelivery, WebhookError,
};
pub use self::message::{Notification, identity};
pub use self::round::{Round, deliver_due};
pub use self::service::{GROUP, RunningService, Service, Shared, app};
pub use self::settings::Settings;
pub use self::store::{Backlog, Counts, Store, StoreError, Unsent};
pub use self::timetable::Timetable;
