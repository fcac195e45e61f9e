//! Accepting connections and waiting for them to end.
//!
//! Owns the listening socket and the connection tasks. A connection above the
//! limit is closed at once, with a log line.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::Connection;
use crate::limits;
use crate::node::Node;

/// A bound socket that does not accept yet.
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// A running server. Dropping it stops the server without waiting.
pub(crate) struct ServerHandle {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Listener {
    /// Binds the address; port 0 lets the operating system choose.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Listener> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        // A restart on the same port must not wait for old connections to time out.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        let socket = TcpListener::from_std(socket.into())?;
        let address = socket.local_addr()?;
        Ok(Listener { socket, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to accept.
    pub(crate) fn serve(self, node: Arc<Node>) -> ServerHandle {
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(accept_loop(self.socket, node, stopping));
        ServerHandle {
            stop,
            task: Some(task),
        }
    }
}

impl ServerHandle {
    /// Tells everything to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(event = "listener_failed", error = %error);
        }
    }

    /// Ends when the server is told to stop; for tasks that live as long as it.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Ends when the server is told to stop, or dropped.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: the same thing.
    let _ = stop.wait_for(|stopping| *stopping).await;
}

async fn accept_loop(socket: TcpListener, node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => {
                    if connections.len() >= node.config.connections_max {
                        tracing::warn!(event = "connection_refused", peer = %peer, reason = "max.connections");
                        continue;
                    }
                    let _ = stream.set_nodelay(true);
                    let Ok(local) = stream.local_addr() else { continue };
                    let connection = Connection::new(node.clone(), stream, peer, local);
                    connections.spawn(connection.run(stop.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: give it time.
                    tracing::warn!(event = "accept_failed", error = %error);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended && error.is_panic() {
                    tracing::error!(event = "connection_failed", error = %error);
                }
            }
            () = stopped(&mut stop) => break,
        }
    }
    drop(socket);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits::STOP_GRACE, ended)
        .await
        .is_err()
    {
        tracing::warn!(event = "connections_cut", count = connections.len());
    }
}
