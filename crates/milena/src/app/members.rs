//! Several members of one group in this process, under one stop signal.

use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use futures_util::stream::FuturesUnordered;

use super::App;
use super::error::AppError;
use super::running::{AppHandle, RunningApp};
use super::shutdown::shutdown_signal;

/// Applications that run side by side, each with a consumer and connections of its own;
/// those of one group share its partitions.
///
/// ```no_run
/// use milena::{App, Config, Members, handler};
///
/// async fn on_order() {}
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::from_env()?;
/// let members = Members::start(3, |_number| {
///     App::new(config.clone()).topic("orders", handler(on_order))
/// })
/// .await?;
/// members.run().await?; // until SIGINT or SIGTERM
/// # Ok(())
/// # }
/// ```
///
/// If one fails, the others are stopped. Like [`RunningApp`], they stop when this is
/// dropped.
#[derive(Debug)]
#[must_use = "the members stop when this is dropped"]
pub struct Members {
    running: Vec<RunningApp>,
}

impl Members {
    /// Starts `count` applications, made by `factory` from their numbers (from 0), all at
    /// once.
    ///
    /// # Errors
    /// [`AppError`] of the first that could not start; the others are stopped then.
    pub async fn start<S, F>(count: usize, factory: F) -> Result<Members, AppError>
    where
        S: Clone + Send + Sync + 'static,
        F: FnMut(usize) -> App<S>,
    {
        let starting: Vec<_> = (0..count).map(factory).map(App::start).collect();
        let running = try_join_all(starting).await?;
        Ok(Members { running })
    }

    /// Handles of the members, in the order of their numbers.
    #[must_use]
    pub fn handles(&self) -> Vec<AppHandle> {
        self.running.iter().map(RunningApp::handle).collect()
    }

    /// Whether all are alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.running.iter().all(|one| one.is_alive())
    }

    /// Has all of them stop gracefully. Returns at once.
    pub fn stop(&self) {
        self.running.iter().for_each(|one| one.stop());
    }

    /// Waits until all have ended. One that fails has the others stop.
    ///
    /// # Errors
    /// [`AppError`] of the first that failed.
    pub async fn join(mut self) -> Result<(), AppError> {
        let handles = self.handles();
        let ending = std::mem::take(&mut self.running).into_iter();
        let mut ending: FuturesUnordered<_> = ending.map(RunningApp::join).collect();
        let mut first_failure = Ok(());
        while let Some(ended) = ending.next().await {
            if ended.is_err() && first_failure.is_ok() {
                handles.iter().for_each(AppHandle::stop);
                first_failure = ended;
            }
        }
        first_failure
    }

    /// Stops all and waits until they have ended.
    ///
    /// # Errors
    /// As [`Members::join`].
    pub async fn shutdown(self) -> Result<(), AppError> {
        self.stop();
        self.join().await
    }

    /// Waits for SIGINT or SIGTERM, or for one to fail, then stops all.
    ///
    /// # Errors
    /// As [`Members::join`].
    pub async fn run(self) -> Result<(), AppError> {
        let handles = self.handles();
        let mut ended = std::pin::pin!(self.join());
        tokio::select! {
            result = &mut ended => result,
            () = shutdown_signal() => {
                handles.iter().for_each(AppHandle::stop);
                ended.await
            }
        }
    }
}
