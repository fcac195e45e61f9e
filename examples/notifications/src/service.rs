//! The service: an application that keeps notifications and a job that delivers them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use milena::{
    App, Config, FromRef, HandlerError, Json, Message, Progress, Retry, State, Valid, handler,
};

use crate::delivery::{AnyDelivery, LogDelivery, WebhookDelivery};
use crate::message::{Notification, identity};
use crate::round::{Round, deliver_due};
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// The consumer group, unless the configuration names one.
pub const GROUP: &str = "notifications";

/// While the database is away nothing is handled, and nothing becomes a dead letter. What it will
/// never take is another matter, see [`StoreError::class`].
const UNTIL_THE_DATABASE_IS_BACK: Retry =
    Retry::exponential(Duration::from_millis(500)).attempts(u32::MAX);

/// What handlers and jobs share.
#[derive(Clone)]
pub struct Shared {
    store: Store,
    delivery: AnyDelivery,
}

impl FromRef<Shared> for Store {
    fn from_ref(shared: &Shared) -> Store {
        shared.store.clone()
    }
}

/// The service, ready to run.
pub struct Service {
    app: App<Shared>,
    store: Store,
}

impl Service {
    /// Connects to the database and makes its tables. The delivery is the webhook of `settings`, or
    /// the log.
    ///
    /// # Errors
    /// When the database or the webhook cannot be used.
    pub async fn new(config: Config, settings: &Settings) -> Result<Service> {
        let delivery: AnyDelivery = match &settings.webhook {
            Some(url) => Arc::new(WebhookDelivery::new(url.expose())?),
            None => Arc::new(LogDelivery),
        };
        let store = Store::connect(settings.database.expose())
            .await
            .context("cannot use --database")?;
        let app = app(config, settings, store.clone(), delivery);
        Ok(Service { app, store })
    }

    /// What it has done so far; keeps counting.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.app.progress()
    }

    /// Runs until `stop` resolves, then finishes what is under way.
    ///
    /// # Errors
    /// When the cluster refuses for good.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let ran = self.app.run_until(stop).await;
        self.store.close().await;
        Ok(ran?)
    }
}

/// The application with its handler and its job, on a database and a delivery of one's own.
pub fn app(
    config: Config,
    settings: &Settings,
    store: Store,
    delivery: AnyDelivery,
) -> App<Shared> {
    App::new(config)
        .state(Shared { store, delivery })
        .topic(
            &*settings.topic,
            handler(on_notification).retry(UNTIL_THE_DATABASE_IS_BACK),
        )
        .every(settings.every, deliver)
}

/// A message becomes a row, once. The offset is committed after that.
async fn on_notification(
    Valid(Json(notification)): Valid<Json<Notification>>,
    message: Message,
    State(store): State<Store>,
) -> Result<(), HandlerError> {
    let identity = identity(&message);
    let kept = store.insert(&identity, &notification, now()).await;
    let is_new = kept.map_err(|error| {
        let class = error.class();
        HandlerError::from(error).with_class(class)
    })?;
    tracing::debug!(event = "notification_kept", %identity, is_new);
    Ok(())
}

async fn deliver(State(shared): State<Shared>) -> Result<(), StoreError> {
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

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
