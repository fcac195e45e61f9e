//! From `host:port` to a connection that is ready for requests: every address of the name is tried,
//! then TLS, the handshake and the authentication.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, Limits};
use super::handshake::shake_hands;
use super::sasl;
use super::spans;
use super::tls::Tls;
use crate::config::{BrokerAddress, ClientConfig};
use crate::error::Error;
use crate::spans::observed;

/// A silent peer is probed after this long; a dead one is noticed about a minute later.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// What it takes to connect to the brokers of one cluster.
pub(crate) struct Dialler {
    pub(super) config: Arc<ClientConfig>,
    tls: Option<Tls>,
}

impl Dialler {
    /// Reads the certificates that `config` names.
    ///
    /// # Errors
    /// [`Error::Config`] if one is of no use.
    pub(crate) fn new(config: Arc<ClientConfig>) -> Result<Self, Error> {
        let tls = config.tls.as_ref().map(Tls::new).transpose()?;
        Ok(Self { config, tls })
    }

    #[cfg(test)]
    pub(super) fn plaintext(config: ClientConfig) -> Self {
        Self {
            config: Arc::new(config),
            tls: None,
        }
    }
}

impl fmt::Debug for Dialler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Dialler").finish_non_exhaustive()
    }
}

/// Connects to `address`, agrees on versions and authenticates, all within `connect_timeout`.
pub(super) async fn dial(address: &BrokerAddress, dialler: &Dialler) -> Result<Connection, Error> {
    let span = spans::connect(&dialler.config.client_id, &address.to_string());
    observed(span, dial_and_greet(address, dialler)).await
}

async fn dial_and_greet(address: &BrokerAddress, dialler: &Dialler) -> Result<Connection, Error> {
    let config = &dialler.config;
    let deadline = Instant::now() + config.connect_timeout;
    let stream = connect(address, deadline)
        .await
        .map_err(|source| connect_error(address, source))?;
    let limits = Limits {
        idle_max: config.connections_idle_max,
        frame_bytes_max: config.receive_frame_bytes_max,
    };
    let name = Arc::from(address.to_string());
    let client_id = Arc::from(config.client_id.as_str());
    let connection = match &dialler.tls {
        None => {
            let (read, write) = stream.into_split();
            Connection::start(name, client_id, limits, read, write)
        }
        Some(tls) => {
            let stream = tls.connect(stream, address, deadline).await?;
            let (read, write) = tokio::io::split(stream);
            Connection::start(name, client_id, limits, read, write)
        }
    };
    let time_left = deadline.saturating_duration_since(Instant::now());
    match shake_hands(&connection, time_left).await {
        Ok(()) => {}
        Err(error @ (Error::Timeout { .. } | Error::Disconnected { .. })) => {
            let text = format!("no answer to the ApiVersions handshake, is it Kafka? {error}");
            return Err(connect_error(address, io::Error::other(text)));
        }
        Err(error) => return Err(error),
    }
    if let Some(sasl) = &config.sasl {
        let span = spans::authenticate(&config.client_id, connection.address(), sasl.name());
        let authenticating = sasl::authenticate(&connection, sasl, deadline);
        let session = observed(span, authenticating).await?;
        sasl::keep_alive(&connection, config, session);
    }
    Ok(connection)
}

/// A TCP connection to the first address of the name that accepts one.
async fn connect(address: &BrokerAddress, deadline: Instant) -> io::Result<TcpStream> {
    let found = timeout_at(
        deadline,
        tokio::net::lookup_host((address.host.as_str(), address.port)),
    )
    .await
    .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the name service did not answer"))??;
    let candidates: Vec<SocketAddr> = found.collect();
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (position, candidate) in candidates.iter().enumerate() {
        let turn_ends = share_of_time(Instant::now(), deadline, candidates.len() - position);
        match timeout_at(turn_ends, TcpStream::connect(candidate)).await {
            Ok(Ok(stream)) => return configure(stream),
            Ok(Err(error)) => last_error = error,
            Err(_) => {
                let text = format!("{candidate} did not accept a connection in time");
                last_error = io::Error::new(io::ErrorKind::TimedOut, text);
            }
        }
    }
    Err(last_error)
}

/// An equal share of the time left, so that a black hole does not use up the others' turn.
fn share_of_time(now: Instant, deadline: Instant, candidates: usize) -> Instant {
    let time_left = deadline.saturating_duration_since(now);
    now + time_left / u32::try_from(candidates.max(1)).unwrap_or(u32::MAX)
}

fn configure(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

fn connect_error(address: &BrokerAddress, source: io::Error) -> Error {
    Error::Connect {
        address: address.to_string(),
        source: Arc::new(source),
    }
}

#[cfg(test)]
mod tests;
