//! Switching the consumer off and on from outside the process, by signals.
//!
//! Owns the signals. Stopping is not its business.

use std::convert::Infallible;

use anyhow::Result;
use milena::AppHandle;

/// The two signals. From when it is made on, they end the process no more.
#[cfg(unix)]
pub(crate) struct Switch {
    pause: tokio::signal::unix::Signal,
    resume: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Switch {
    pub(crate) fn listen() -> Result<Switch> {
        use anyhow::Context as _;
        use tokio::signal::unix::{SignalKind, signal};
        let failed = "cannot listen to SIGUSR1 and SIGUSR2";
        Ok(Switch {
            pause: signal(SignalKind::user_defined1()).context(failed)?,
            resume: signal(SignalKind::user_defined2()).context(failed)?,
        })
    }

    /// Does what signals say, also those that came before there was an application.
    pub(crate) async fn follow(mut self, app: AppHandle) -> Infallible {
        loop {
            tokio::select! {
                Some(()) = self.pause.recv() => {
                    app.pause();
                    tracing::info!(event = "consumer_paused", signal = "SIGUSR1");
                }
                Some(()) = self.resume.recv() => {
                    app.resume();
                    tracing::info!(event = "consumer_resumed", signal = "SIGUSR2");
                }
                else => return std::future::pending().await,
            }
        }
    }
}

/// Where there are no such signals.
#[cfg(not(unix))]
pub(crate) struct Switch;

#[cfg(not(unix))]
impl Switch {
    pub(crate) fn listen() -> Result<Switch> {
        Ok(Switch)
    }

    pub(crate) async fn follow(self, _app: AppHandle) -> Infallible {
        std::future::pending().await
    }
}
