//! Keeps a session alive that a broker limits (KIP-368): shortly before its end the connection is
//! authenticated again. Requests that come meanwhile wait; those on their way are answered first.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::{Authentication, Session};
use crate::backoff::Backoff;
use crate::config::ClientConfig;
use crate::error::Error;
use crate::net::connection::{Connection, Turn, WeakConnection};
use crate::net::spans;
use crate::security::SaslConfig;
use crate::spans::observed;

/// The share of a session after which it is renewed: a random one in this range, so that connections
/// that were made together do not all do it together.
const RENEW_AFTER: std::ops::Range<f64> = 0.85..0.95;

/// Starts to renew the session of `connection`, if it has an end.
pub(in crate::net) fn keep_alive(
    connection: &Connection,
    config: &Arc<ClientConfig>,
    session: Session,
) {
    if session.lifetime.is_some() {
        let task = renew(connection.downgrade(), Arc::clone(config), session);
        connection.attend(tokio::spawn(task).abort_handle());
    }
}

/// Renews the session until the connection ends.
async fn renew(connection: WeakConnection, config: Arc<ClientConfig>, mut session: Session) {
    while let (Some(lifetime), Some(sasl)) = (session.lifetime, &config.sasl) {
        let begins = Instant::now();
        let ends = begins + lifetime;
        sleep_until(begins + renew_after(lifetime)).await;
        let mut backoff = Backoff::new(config.retry_backoff, config.retry_backoff_max);
        session = loop {
            match renew_once(&connection, sasl, &config).await {
                Ok(Some(renewed)) => break renewed,
                Ok(None) => return,
                // There is no token at the moment, but what we have is still good.
                Err(error) if error.is_retriable() && Instant::now() < ends => {
                    connection.release();
                    tracing::debug!(event = "session_not_renewed", address = connection.address(), %error);
                    sleep(backoff.next_delay()).await;
                }
                Err(error) => {
                    tracing::warn!(event = "session_lost", address = connection.address(), %error);
                    return connection.close(error);
                }
            }
        };
    }
}

/// Authenticates again; nothing, if the connection is gone.
async fn renew_once(
    weak: &WeakConnection,
    sasl: &SaslConfig,
    config: &ClientConfig,
) -> Result<Option<Session>, Error> {
    if !weak.is_used() {
        // The broker ends a session when it is used after its end. One that nobody uses is left
        // alone, so that the connection can become idle.
        weak.hold();
        weak.used().await;
    }
    let timeout = config.request_timeout;
    let deadline = Instant::now() + timeout;
    let preparing = Authentication::prepare(sasl, weak.address());
    let prepared = tokio::time::timeout_at(deadline, preparing).await;
    let authentication = prepared.map_err(|_| Error::Timeout {
        what: "a token for the next session".to_owned(),
        after: timeout,
    })??;
    let Some(connection) = weak.upgrade() else {
        return Ok(None);
    };
    weak.hold();
    let span = spans::authenticate(&config.client_id, weak.address(), sasl.name());
    let authenticating = authentication.run(&connection, Turn::Ahead, deadline);
    let session = observed(span, authenticating).await?;
    weak.release();
    tracing::debug!(event = "session_renewed", address = weak.address());
    Ok(Some(session))
}

fn renew_after(lifetime: Duration) -> Duration {
    let width = RENEW_AFTER.end - RENEW_AFTER.start;
    lifetime.mul_f64(RENEW_AFTER.start + width * fastrand::f64())
}
