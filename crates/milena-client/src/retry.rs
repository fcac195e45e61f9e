//! Trying again: an attempt, a pause, another attempt, until a deadline. Knows errors only by whether
//! they are worth it.

use std::future::Future;

use tokio::time::{Instant, sleep, timeout_at};

use crate::backoff::Backoff;
use crate::config::ClientConfig;
use crate::error::Error;

/// Calls `attempt` until it succeeds, fails in a way that trying again cannot mend, or `deadline` has
/// passed; pauses are `retry.backoff.ms` and growing. `what` is for the error.
pub(crate) async fn retry_until<T, F>(
    deadline: Instant,
    config: &ClientConfig,
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let started = Instant::now();
    let mut backoff = Backoff::new(config.retry_backoff, config.retry_backoff_max);
    let mut last_error = None;
    loop {
        let error = match timeout_at(deadline, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if !error.is_retriable() => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => {
                let timeout = Error::Timeout {
                    what: what.to_owned(),
                    after: deadline - started,
                };
                return Err(last_error.unwrap_or(timeout));
            }
        };
        let pause = backoff.next_delay();
        if Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::debug!(event = "retry", what, error = %error);
        last_error = Some(error);
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests;
