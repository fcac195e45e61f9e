//! When the process is told to stop.

/// Waits for SIGINT (Ctrl-C) or SIGTERM. When signals cannot be listened to, waits for
/// ever, and says so in the log.
pub async fn shutdown_signal() {
    let name = tokio::select! {
        () = interrupt() => "SIGINT",
        () = terminate() => "SIGTERM",
    };
    tracing::info!(event = "app_signal", signal = name);
}

async fn interrupt() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(event = "app_signal_unavailable", signal = "SIGINT", %error);
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => {
            tracing::error!(event = "app_signal_unavailable", signal = "SIGTERM", %error);
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending::<()>().await;
}
