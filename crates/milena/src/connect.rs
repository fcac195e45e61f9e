//! Proving that the cluster can be reached before anything is called started.
//!
//! Owns attempts and the waits between them; the connections are the client's.

use milena_client::{Client, Error};

use crate::config::Config;
use crate::retry::Retry;

/// No broker answered, or none let us in.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no connection to {servers} after {attempts} attempts: {source}")]
#[non_exhaustive]
pub struct ConnectionFailed {
    /// The servers that were tried.
    pub servers: String,
    /// How often.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub source: Box<Error>,
}

/// Asks the cluster for its metadata, as often as the configuration says.
///
/// A refusal that no later attempt can change, such as wrong credentials, is final.
pub(crate) async fn connect(client: &Client, config: &Config) -> Result<(), ConnectionFailed> {
    let retry = Retry::exponential(config.start_backoff)
        .cap(config.start_backoff_max)
        .attempts(config.start_attempts);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let Err(error) = client.check_connection().await else {
            return Ok(());
        };
        let delay = retry.delay_after(attempts, fastrand::f64());
        let Some(delay) = delay.filter(|_| error.is_retriable()) else {
            return Err(ConnectionFailed {
                servers: config.bootstrap_servers().join(","),
                attempts,
                source: Box::new(error),
            });
        };
        let delay_ms = delay.as_millis();
        tracing::warn!(event = "connect_failed", attempt = attempts, delay_ms, %error);
        tokio::time::sleep(delay).await;
    }
}
