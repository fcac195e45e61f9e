//! Accepting connections and waiting for them to end.
//!
//! Owns the listening sockets, the connection tasks, and TLS, which comes before a
//! connection is one. A connection above the limit is closed at once, with a log line.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::authentication::Authentication;
use super::connection::{Connection, Ends};
use crate::limits;
use crate::node::Node;
use crate::security::{ListenerSecurity, Principal};

/// A bound socket that does not accept yet.
pub(crate) struct Listener {
    name: Arc<str>,
    socket: TcpListener,
    address: SocketAddr,
    security: ListenerSecurity,
}

/// A running server. Dropping it stops the server without waiting.
pub(crate) struct ServerHandle {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Listener {
    /// Binds the address; port 0 lets the operating system choose.
    pub(crate) fn bind(
        name: &str,
        address: SocketAddr,
        security: ListenerSecurity,
    ) -> io::Result<Listener> {
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
        Ok(Listener {
            name: name.into(),
            socket,
            address,
            security,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name, such as `SASL_SSL`.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }
}

/// Starts to accept.
pub(crate) fn serve(listeners: Vec<Listener>, node: &Arc<Node>) -> ServerHandle {
    let (stop, stopping) = watch::channel(false);
    // More than that the semaphore does not count; no machine has as many.
    let connections_max = node.config.connections_max.min(Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(connections_max));
    let accept = |listener: Listener| {
        let accepting = accept_loop(listener, node.clone(), room.clone(), stopping.clone());
        tokio::spawn(accepting)
    };
    ServerHandle {
        tasks: listeners.into_iter().map(accept).collect(),
        stop,
    }
}

impl ServerHandle {
    /// Tells everything to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            if let Err(error) = task.await {
                tracing::error!(event = "listener_failed", error = %error);
            }
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

async fn accept_loop(
    listener: Listener,
    node: Arc<Node>,
    room: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let Listener {
        name,
        socket,
        security,
        ..
    } = listener;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Ok(place) = room.clone().try_acquire_owned() else {
                        tracing::warn!(event = "connection_refused", peer = %peer, reason = "max.connections");
                        continue;
                    };
                    let _ = stream.set_nodelay(true);
                    let Ok(local) = stream.local_addr() else { continue };
                    let ends = Ends { peer, local, listener: name.clone() };
                    let serving = serve_client(node.clone(), security.clone(), stream, ends, stop.clone());
                    connections.spawn(async move {
                        serving.await;
                        drop(place);
                    });
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

/// Shakes hands if the listener has TLS, then serves requests.
async fn serve_client(
    node: Arc<Node>,
    security: ListenerSecurity,
    stream: TcpStream,
    ends: Ends,
    mut stop: watch::Receiver<bool>,
) {
    let ListenerSecurity { tls, sasl } = security;
    let Some(tls) = tls else {
        let authentication = Authentication::new(sasl, Principal::anonymous());
        return Connection::new(node, stream, ends, authentication)
            .run(stop)
            .await;
    };
    let shaking_hands = tokio::time::timeout(limits::TLS_HANDSHAKE_MAX, tls.accept(stream));
    let outcome = tokio::select! {
        outcome = shaking_hands => outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        () = stopped(&mut stop) => return,
    };
    match outcome {
        Ok((stream, principal)) => {
            let authentication = Authentication::new(sasl, principal);
            Connection::new(node, stream, ends, authentication)
                .run(stop)
                .await;
        }
        Err(error) => {
            tracing::warn!(event = "tls_handshake_failed", peer = %ends.peer, error = %error);
        }
    }
}
