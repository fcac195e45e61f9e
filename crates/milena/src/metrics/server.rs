//! `GET /metrics` for programs that have no application to answer it.

use std::net::SocketAddr;

use super::MetricsError;
use crate::health::HealthServer;

/// Answers `GET /metrics` with [`render`](super::render)'s page, for a program that only publishes,
/// or that has consumers of its own. An [`App`](crate::App) with `health.address` does so beside its
/// health. Stops when it is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use milena::metrics::MetricsServer;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let server = MetricsServer::start("127.0.0.1:0".parse()?).await?; // port 0: any that is free
/// let mut connection = tokio::net::TcpStream::connect(server.address()).await?;
/// connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: here\r\n\r\n").await?;
/// let mut page = String::new();
/// connection.read_to_string(&mut page).await?;
/// assert!(page.starts_with("HTTP/1.1 200 OK"), "{page}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is answered any more once this is dropped"]
pub struct MetricsServer {
    server: HealthServer,
}

impl MetricsServer {
    /// Installs the exporter if that was not done yet (see
    /// [`install_prometheus`](super::install_prometheus): what was made before is not measured), and
    /// listens on `address`.
    ///
    /// # Errors
    /// When the process has another exporter, or the address cannot be had.
    pub async fn start(address: SocketAddr) -> Result<MetricsServer, MetricsError> {
        super::install_prometheus()?;
        let server = HealthServer::start(address, None).await;
        let listening = |source| MetricsError::Listen { address, source };
        Ok(MetricsServer {
            server: server.map_err(listening)?,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }
}
