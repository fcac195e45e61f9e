//! The application: topics and their handlers, run until told to stop.
//!
//! Owns consuming on the handlers' behalf: a worker a partition, retries, dead letters,
//! commits of what is done, rebalances, the way down. The line of a record is
//! [`dispatcher`] → [`workers`] → [`worker`] → [`attempts`]; its offset goes back from
//! `worker` through `workers` to [`committer`].

mod admission;
mod attempts;
mod batch;
mod batch_topic;
mod batch_worker;
mod check;
mod committer;
mod concurrency;
mod contexts;
mod dispatcher;
#[cfg(feature = "http")]
mod endpoint;
mod error;
mod exactly_once;
mod failed;
mod gate;
mod health_watch;
mod lifecycle;
mod limits;
mod members;
mod processes;
mod progress;
mod rebalance;
mod retry_topic;
mod route;
mod running;
mod seat_offsets;
mod shutdown;
mod start;
mod stop;
mod told;
mod topic;
mod worker;
mod workers;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::batch_topic::{BatchTopicHandler, batch_handler};
pub use self::concurrency::Concurrency;
pub use self::error::AppError;
use self::lifecycle::Hooks;
pub use self::lifecycle::{Lifecycle, MessageEnd};
pub use self::members::Members;
pub use self::processes::Processes;
pub use self::progress::Progress;
use self::route::Route;
pub use self::running::{AppHandle, AppState, RunningApp};
pub use self::shutdown::shutdown_signal;
use self::topic::TopicOptions;
pub use self::topic::{TopicHandler, TopicSetup, handler};
use crate::config::{Config, ConfigError};
use crate::schedule::{IntoJob, JobEntry, Jobs};

/// Topics and their handlers, as one member of a consumer group.
///
/// ```no_run
/// use std::time::Duration;
/// use milena::{App, Config, HandlerError, Json, Retry, State, handler};
///
/// #[derive(Clone)]
/// struct Database;
///
/// #[derive(serde::Deserialize)]
/// struct Order { id: u32 }
///
/// async fn on_order(Json(order): Json<Order>, State(_): State<Database>) -> Result<(), HandlerError> {
///     println!("order {}", order.id);
///     Ok(())
/// }
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// App::new(Config::from_env()?)
///     .state(Database)
///     .topic(
///         "orders",
///         handler(on_order)
///             .retry(Retry::exponential(Duration::from_secs(1)).cap(Duration::from_secs(30)))
///             .dead_letter("orders.dlq"),
///     )
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// Every record is handled at least once: its offset is committed when it and all before
/// it in its partition are handled, or in the dead letter topic and acknowledged. After a
/// crash, or a rebalance that did not wait for a handler, the records in between are
/// handled again.
///
/// | What | where |
/// |---|---|
/// | arguments of handlers | [`extract`](crate::extract) |
/// | retries, dead letters, concurrency, pauses, layers, exactly once: for each topic | [`TopicHandler`] |
/// | many records at once | [`batch_handler`](fn@batch_handler) |
/// | jobs | [`App::every`], [`App::cron`], [`App::jobs`] |
/// | until a signal, or in the background with a handle | [`App::run`], [`App::start`] |
/// | several members in one process, or in many | [`Members`], [`Processes`] |
/// | what happens around handlers, and how many | [`App::lifecycle`], [`App::progress`] |
/// | how long stopping, committing and rebalancing may take | [`Config`] |
#[must_use = "an application does nothing until it runs"]
pub struct App<S = ()> {
    config: Config,
    state: S,
    parts: Parts,
}

/// What is registered.
#[derive(Default)]
struct Parts {
    topics: Vec<TopicEntry>,
    scheduled: Vec<JobEntry>,
    hooks: Hooks,
    /// The first job that cannot work.
    problem: Option<ConfigError>,
    progress: Progress,
    jobs: Jobs,
}

/// What was said about a topic.
struct TopicEntry {
    /// Without the prefix.
    topic: String,
    handler: &'static str,
    route: Arc<dyn Route>,
    options: TopicOptions,
}

impl App {
    /// An application without topics and state. Connects when it runs.
    pub fn new(config: Config) -> App {
        App {
            config,
            state: (),
            parts: Parts::default(),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> App<S> {
    /// Sets what handlers of the topics and jobs added from here on find in
    /// [`State`](crate::State).
    pub fn state<T: Clone + Send + Sync + 'static>(self, state: T) -> App<T> {
        App {
            config: self.config,
            state,
            parts: self.parts,
        }
    }

    /// Handles the records of `topic` (named without the configured prefix) with a
    /// [`handler`], or many at once with a [`batch_handler`].
    pub fn topic(mut self, topic: impl Into<String>, handler: impl TopicSetup<S>) -> App<S> {
        let parts = handler.set_up(self.state.clone());
        self.parts.topics.push(TopicEntry {
            topic: topic.into(),
            handler: parts.handler,
            route: parts.route,
            options: parts.options,
        });
        self
    }

    /// Runs a job every `period`, the first time when one has passed since the
    /// application started. The job is an async function of [`State`](crate::State) and
    /// [`Tick`](crate::Tick), or one in [`job`](crate::job), which says more about it.
    ///
    /// A job never runs beside itself unless told, and its failures are logged and counted
    /// and stop nothing. An application with jobs and no topics needs neither group nor
    /// broker.
    ///
    /// ```
    /// use std::time::Duration;
    /// use milena::{App, Config, HandlerError, State, job};
    ///
    /// #[derive(Clone)]
    /// struct Database;
    ///
    /// async fn deliver(State(_): State<Database>) -> Result<(), HandlerError> {
    ///     Ok(())
    /// }
    ///
    /// async fn report() {}
    ///
    /// # fn app() -> Result<App<Database>, milena::ConfigError> {
    /// Ok(App::new(Config::from_env()?)
    ///     .state(Database)
    ///     .every(Duration::from_secs(30), deliver)
    ///     .cron("0 0 6 * * MON-FRI", job(report).time_zone("Europe/Berlin")))
    /// # }
    /// ```
    pub fn every<J, Form>(self, period: Duration, job: J) -> App<S>
    where
        J: IntoJob<Form, S>,
    {
        let entry = JobEntry::every(period, job.into_job(), self.state.clone());
        self.add_job(entry)
    }

    /// As [`App::every`], when a cron expression says so: minute, hour, day of month,
    /// month, day of week; with a sixth field in front, the seconds. In UTC, unless
    /// [`Job::time_zone`](crate::Job::time_zone) is set.
    ///
    /// An expression that cannot be read is an error when the application starts.
    pub fn cron<J, Form>(self, expression: &str, job: J) -> App<S>
    where
        J: IntoJob<Form, S>,
    {
        let entry = JobEntry::cron(expression, job.into_job(), self.state.clone());
        self.add_job(entry)
    }

    fn add_job(mut self, entry: Result<JobEntry, ConfigError>) -> App<S> {
        match entry {
            Ok(entry) => {
                self.parts.jobs.add(&entry);
                self.parts.scheduled.push(entry);
            }
            Err(problem) => {
                self.parts.problem.get_or_insert(problem);
            }
        }
        self
    }

    /// Has `hooks` told of the application's life; several are told in the order they were
    /// added. Without any, nothing is told and nothing is spent.
    pub fn lifecycle(mut self, hooks: impl Lifecycle) -> App<S> {
        self.parts.hooks.add(hooks);
        self
    }

    /// The configuration.
    #[cfg(feature = "testing")]
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The application's counts; they go on counting while it runs.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.parts.progress.clone()
    }

    /// The application's jobs, to look at, switch and trigger while it runs.
    #[must_use]
    pub fn jobs(&self) -> Jobs {
        self.parts.jobs.clone()
    }

    /// Starts the application in the background. Returns when the cluster has answered and
    /// the topics are subscribed to; partitions come when the group has rebalanced. With
    /// jobs only, it needs no cluster and asks none.
    ///
    /// Connecting is tried as often as `start.attempts` says, with waits that double from
    /// `start.backoff.ms` to `start.backoff.max.ms`.
    ///
    /// ```no_run
    /// # use milena::{App, AppState, Config, handler};
    /// # async fn on_order() {}
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = App::new(Config::from_env()?).topic("orders", handler(on_order));
    /// let running = app.start().await?;
    /// println!("{:?}, alive: {}", running.state(), running.is_alive());
    /// running.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AppError::Config`] when something does not fit together,
    /// [`AppError::Connection`] when no broker answered, or none let us in.
    pub async fn start(self) -> Result<RunningApp, AppError> {
        // Boxed: what is below is large, and nested deeper than a caller's compiler looks.
        Box::pin(start::start(self.config, self.parts)).await
    }

    /// Runs until SIGINT or SIGTERM, then finishes what handlers are at, commits it and
    /// leaves the group.
    ///
    /// # Errors
    /// [`AppError`] when the application cannot start, or cannot go on.
    pub async fn run(self) -> Result<(), AppError> {
        self.run_until(shutdown_signal()).await
    }

    /// As [`App::run`], until `shutdown` is ready.
    ///
    /// # Errors
    /// As [`App::run`].
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
        let mut shutdown = std::pin::pin!(shutdown);
        let running = tokio::select! {
            biased;
            () = &mut shutdown => return Ok(()),
            started = self.start() => started?,
        };
        let handle = running.handle();
        let mut ended = std::pin::pin!(running.join());
        tokio::select! {
            result = &mut ended => return result,
            () = shutdown => handle.stop(),
        }
        ended.await
    }
}

impl<S> fmt::Debug for App<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topics: Vec<&str> = self
            .parts
            .topics
            .iter()
            .map(|entry| entry.topic.as_str())
            .collect();
        formatter
            .debug_struct("App")
            .field("config", &self.config)
            .field("topics", &topics)
            .field("jobs", &self.parts.jobs)
            .finish_non_exhaustive()
    }
}
