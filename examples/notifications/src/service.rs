//! The service: an application that keeps notifications and jobs that deliver and look after them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use milena::metrics::install_prometheus;
use milena::{
    App, AppHandle, Config, FromRef, HandlerError, Json, Message, Progress, Retry, RunningApp,
    State, Valid, handler, job, shutdown_signal,
};

use crate::delivery::{AnyDelivery, LogDelivery, WebhookDelivery};
use crate::jobs;
use crate::message::{Notification, identity};
use crate::settings::Settings;
use crate::store::Store;
use crate::switch::Switch;

/// The consumer group, unless the configuration names one.
pub const GROUP: &str = "notifications";

/// While the database is away nothing is handled, and nothing becomes a dead letter. What it will
/// never take is another matter, see [`StoreError::class`](crate::StoreError::class).
const UNTIL_THE_DATABASE_IS_BACK: Retry =
    Retry::exponential(Duration::from_millis(500)).attempts(u32::MAX);

/// What handlers and jobs share.
#[derive(Clone)]
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) delivery: AnyDelivery,
    /// How long what was sent is kept.
    pub(crate) keep: Duration,
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

    /// Runs it in the background. Returns when the cluster has answered.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses, or a cron expression cannot be read.
    pub async fn start(self) -> Result<RunningService> {
        let store = self.store;
        match self.app.start().await {
            Ok(app) => Ok(RunningService { app, store }),
            Err(error) => {
                store.close().await;
                Err(error.into())
            }
        }
    }

    /// Runs as a program does: until SIGINT or SIGTERM, then finishes what is under way. SIGUSR1
    /// pauses the consumer, SIGUSR2 resumes it. Everything is measured, for `/metrics`.
    ///
    /// # Errors
    /// When it cannot start, or the consumer ended by itself.
    pub async fn run(self) -> Result<()> {
        install_prometheus()?;
        self.run_until(shutdown_signal()).await
    }

    /// As [`Service::run`], until `stop` resolves. Measuring is left to whoever calls it.
    ///
    /// # Errors
    /// As [`Service::run`].
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let switch = Switch::listen()?;
        let mut stop = pin!(stop);
        let store = self.store.clone();
        let running = tokio::select! {
            biased;
            () = &mut stop => {
                store.close().await;
                return Ok(());
            }
            started = self.start() => started?,
        };
        let handle = running.handle();
        let mut ended = pin!(running.join());
        tokio::select! {
            biased;
            result = &mut ended => return result,
            () = stop => handle.stop(),
            never = switch.follow(handle.clone()) => match never {},
        }
        ended.await
    }
}

/// The service in the background; dropping it has it stop.
#[derive(Debug)]
#[must_use = "a service stops when this is dropped"]
pub struct RunningService {
    app: RunningApp,
    store: Store,
}

impl RunningService {
    /// Its health, counts and jobs; pauses, resumes and stops the consumer.
    #[must_use]
    pub fn handle(&self) -> AppHandle {
        self.app.handle()
    }

    /// Waits until it has ended; stops nothing.
    ///
    /// # Errors
    /// When the consumer ended by itself.
    pub async fn join(self) -> Result<()> {
        let ended = self.app.join().await;
        self.store.close().await;
        Ok(ended?)
    }

    /// Stops it: what is under way is finished.
    ///
    /// # Errors
    /// As [`RunningService::join`].
    pub async fn shutdown(self) -> Result<()> {
        self.app.stop();
        self.join().await
    }
}

/// The application with its handler and its jobs, on a database and a delivery of one's own.
pub fn app(
    config: Config,
    settings: &Settings,
    store: Store,
    delivery: AnyDelivery,
) -> App<Shared> {
    let shared = Shared {
        store,
        delivery,
        keep: settings.keep,
    };
    let app = App::new(config).state(shared).topic(
        &*settings.topic,
        handler(on_notification).retry(UNTIL_THE_DATABASE_IS_BACK),
    );
    let zone = settings.time_zone.as_deref();
    let app = settings.every.schedule(app, zone, job(jobs::deliver));
    let app = settings.report.schedule(app, zone, job(jobs::report));
    settings.forget.schedule(app, zone, job(jobs::forget))
}

/// A message becomes a row, once. The offset is committed after that.
async fn on_notification(
    Valid(Json(notification)): Valid<Json<Notification>>,
    message: Message,
    State(store): State<Store>,
) -> Result<(), HandlerError> {
    let identity = identity(&message);
    let kept = store.insert(&identity, &notification, jobs::now()).await;
    let is_new = kept.map_err(|error| {
        let class = error.class();
        HandlerError::from(error).with_class(class)
    })?;
    tracing::debug!(event = "notification_kept", %identity, is_new);
    Ok(())
}
