//! An application that runs in the background, seen from the outside.
//!
//! Owns the handle: how the application does, stopping, pausing, waiting for its end.
//! Decides nothing; the application's own task looks at what is asked here.

use std::fmt;
#[cfg(feature = "http")]
use std::net::SocketAddr;
use std::ops::Deref;
#[cfg(feature = "http")]
use std::sync::OnceLock;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use milena_client::consumer::Consumer;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::error::AppError;
use super::progress::Progress;
use super::told::Told;
#[cfg(feature = "http")]
use crate::health::HealthServer;
use crate::health::{HealthBoard, HealthReport, MembershipSeen, Observed, StageSeen};
use crate::schedule::Jobs;

/// How an application does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppState {
    /// It is connected, and not a member of its group: it joins, or joins again.
    Joining,
    /// It is a member of its group, or has jobs only.
    Running,
    /// It stays in its group and handles nothing new; see [`AppHandle::pause`].
    Paused,
    /// It finishes what it is at.
    Stopping,
    /// It ended as it was told to.
    Stopped,
    /// It ended by itself; [`AppHandle::failure`] says why.
    Failed,
}

/// A look at a running application, and control over it. Clones are the same; whoever has
/// one may stop the application, and dropping one does nothing.
#[derive(Clone)]
pub struct AppHandle {
    shared: Arc<Shared>,
}

struct Shared {
    stop: watch::Sender<bool>,
    paused: watch::Sender<bool>,
    stage: watch::Sender<Stage>,
    failure: Mutex<Option<Arc<str>>>,
    consumer: Option<Arc<Consumer>>,
    session_timeout: Duration,
    progress: Progress,
    jobs: Jobs,
    health: HealthBoard,
    /// Kept for whoever collects metrics.
    _told: Arc<Told>,
    #[cfg(feature = "http")]
    server: OnceLock<HealthServer>,
}

/// How far the application's task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Stopping,
    Stopped,
    Failed,
}

impl Stage {
    fn is_over(&self) -> bool {
        matches!(self, Stage::Stopped | Stage::Failed)
    }
}

/// What the application's task listens to, and where it says how far it is.
pub(super) struct Controlled {
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    pub(super) paused: watch::Receiver<bool>,
}

/// What a handle shows.
pub(super) struct Shown {
    pub(super) consumer: Option<Arc<Consumer>>,
    pub(super) session_timeout: Duration,
    pub(super) progress: Progress,
    pub(super) jobs: Jobs,
    pub(super) health: HealthBoard,
}

/// The two ends of the control over an application.
pub(super) fn control(shown: Shown) -> (AppHandle, Controlled) {
    let told = Arc::new(Told::new(shown.progress.clone(), shown.jobs.clone()));
    crate::metrics::register(&told);
    let (stop, stop_seen) = watch::channel(false);
    let (paused, paused_seen) = watch::channel(false);
    let (stage, _) = watch::channel(Stage::Running);
    let shared = Arc::new(Shared {
        stop,
        paused,
        stage,
        failure: Mutex::new(None),
        consumer: shown.consumer,
        session_timeout: shown.session_timeout,
        progress: shown.progress,
        jobs: shown.jobs,
        health: shown.health,
        _told: told,
        #[cfg(feature = "http")]
        server: OnceLock::new(),
    });
    let controlled = Controlled {
        shared: shared.clone(),
        stop: stop_seen,
        paused: paused_seen,
    };
    (AppHandle { shared }, controlled)
}

/// An application, without keeping it.
pub(super) struct WeakHandle(Weak<Shared>);

impl WeakHandle {
    pub(super) fn upgrade(&self) -> Option<AppHandle> {
        let shared = self.0.upgrade()?;
        Some(AppHandle { shared })
    }
}

impl Controlled {
    /// Waits until the application is told to stop.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.clone();
        async move {
            // The sender lives as long as this application.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    /// The application begins to finish.
    pub(super) fn set_stopping(&self) {
        self.shared.stage.send_replace(Stage::Stopping);
    }

    /// The application ended.
    pub(super) fn set_ended(&self, result: &Result<(), AppError>) {
        let Err(error) = result else {
            self.shared.stage.send_replace(Stage::Stopped);
            return;
        };
        self.shared.set_failed(error.to_string());
    }
}

impl Drop for Controlled {
    /// A task that panics or is torn down has ended too.
    fn drop(&mut self) {
        let stage = *self.shared.stage.borrow();
        if !stage.is_over() {
            self.shared.set_failed(AppError::Interrupted.to_string());
        }
    }
}

impl Shared {
    fn set_failed(&self, why: String) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        *failure = Some(why.into());
        drop(failure);
        self.stage.send_replace(Stage::Failed);
    }
}

impl AppHandle {
    /// Whether records are handled, or can be as soon as there are some: the application
    /// runs, nothing has ended its consumer, and its group's coordinator was heard within
    /// `session.timeout.ms`. Looked at now, not remembered.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let is_heard = |consumer: &Arc<Consumer>| {
            let health = consumer.health();
            let last_heard = health.last_heard.unwrap_or_default();
            health.fatal.is_none() && !health.is_stalled && last_heard < self.shared.session_timeout
        };
        let stage = *self.shared.stage.borrow();
        stage == Stage::Running && self.shared.consumer.as_ref().is_none_or(is_heard)
    }

    /// How the application does now.
    #[must_use]
    pub fn state(&self) -> AppState {
        let stage = *self.shared.stage.borrow();
        let is_member = |consumer: &Arc<Consumer>| consumer.health().is_member;
        match stage {
            Stage::Stopping => AppState::Stopping,
            Stage::Stopped => AppState::Stopped,
            Stage::Failed => AppState::Failed,
            Stage::Running if *self.shared.paused.borrow() => AppState::Paused,
            Stage::Running if self.shared.consumer.as_ref().is_none_or(is_member) => {
                AppState::Running
            }
            Stage::Running => AppState::Joining,
        }
    }

    /// The application's health now: what is wrong, and whether it is live, ready and
    /// started. The endpoints (`health.address`) say the same.
    #[must_use]
    pub fn health(&self) -> HealthReport {
        let stage = match *self.shared.stage.borrow() {
            Stage::Running if *self.shared.paused.borrow() => StageSeen::Paused,
            Stage::Running => StageSeen::Running,
            Stage::Stopping => StageSeen::Stopping,
            Stage::Stopped | Stage::Failed => StageSeen::Ended {
                failure: self.failure().map(|failure| failure.to_string()),
            },
        };
        let dead_jobs = match stage {
            StageSeen::Running | StageSeen::Paused => self.shared.jobs.dead(),
            StageSeen::Stopping | StageSeen::Ended { .. } => Vec::new(),
        };
        let membership = self.shared.consumer.as_ref().map(|consumer| {
            let health = consumer.health();
            MembershipSeen {
                is_member: health.is_member && !health.is_stalled,
                unheard: health.last_heard.unwrap_or_default(),
                fatal: health.fatal.map(|error| error.to_string()),
            }
        });
        let paused = self.shared.progress.paused_topics().into_iter();
        self.shared.health.report(Observed {
            now: Instant::now(),
            stage,
            membership,
            dead_jobs,
            paused_topics: paused.map(|(topic, _)| topic).collect(),
        })
    }

    /// Why the application ended by itself, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<str>> {
        let failure = self.shared.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the application finish what handlers and jobs are at, commit it and leave the
    /// group, within `shutdown.timeout.ms`. Returns at once.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// Has the application handle nothing new: it stays in its group, keeps its partitions,
    /// and finishes what was already given to handlers (`partition.buffer.bytes` a
    /// partition at most). Jobs go on. Returns at once.
    pub fn pause(&self) {
        self.shared.paused.send_replace(true);
    }

    /// Ends a pause: records are handled from where they were left.
    pub fn resume(&self) {
        self.shared.paused.send_replace(false);
    }

    pub(super) fn downgrade(&self) -> WeakHandle {
        WeakHandle(Arc::downgrade(&self.shared))
    }

    /// Has the endpoints answer for as long as this application is looked at.
    #[cfg(feature = "http")]
    pub(super) fn keep(&self, server: HealthServer) {
        let _ = self.shared.server.set(server);
    }

    /// Where the health endpoints listen: as `health.address` says, with the port that was
    /// found when it says 0.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.shared.server.get().map(HealthServer::address)
    }

    /// Waits until the application has ended, however that came.
    pub async fn ended(&self) {
        let mut stage = self.shared.stage.subscribe();
        // The sender lives in this handle.
        let _ = stage.wait_for(Stage::is_over).await;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.shared.stage.borrow().is_over()
    }

    /// The application's counts.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.progress.clone()
    }

    /// The application's jobs.
    #[must_use]
    pub fn jobs(&self) -> Jobs {
        self.shared.jobs.clone()
    }
}

impl fmt::Debug for AppHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AppHandle")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// An application in the background; made by [`App::start`](crate::App::start). What its
/// [`AppHandle`] tells and does, it does too.
///
/// Dropping it has the application stop gracefully, without waiting for that;
/// [`RunningApp::join`] waits.
#[derive(Debug)]
#[must_use = "an application stops when this is dropped"]
pub struct RunningApp {
    handle: AppHandle,
    task: JoinHandle<Result<(), AppError>>,
}

impl RunningApp {
    pub(super) fn new(handle: AppHandle, task: JoinHandle<Result<(), AppError>>) -> RunningApp {
        RunningApp { handle, task }
    }

    /// A handle to give away.
    #[must_use]
    pub fn handle(&self) -> AppHandle {
        self.handle.clone()
    }

    /// Waits until the application has ended; stops nothing.
    ///
    /// # Errors
    /// [`AppError`] when it could not go on.
    ///
    /// # Panics
    /// When the application's task did.
    pub async fn join(mut self) -> Result<(), AppError> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(AppError::Interrupted),
            },
        }
    }

    /// Stops the application and waits until it has ended.
    ///
    /// # Errors
    /// As [`RunningApp::join`].
    pub async fn shutdown(self) -> Result<(), AppError> {
        self.stop();
        self.join().await
    }
}

impl Deref for RunningApp {
    type Target = AppHandle;

    fn deref(&self) -> &AppHandle {
        &self.handle
    }
}

impl Drop for RunningApp {
    fn drop(&mut self) {
        self.handle.stop();
    }
}
