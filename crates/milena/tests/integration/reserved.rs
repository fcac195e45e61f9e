//! A port that stays a test's own while nobody listens on it.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 on which connections are refused until somebody listens there. The system
/// gives it to nobody else; who names it may listen, again and again (on Linux).
pub(crate) struct Reserved(TcpSocket);

impl Reserved {
    pub(crate) fn new() -> Reserved {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Without it nobody could listen while this one is bound.
        socket.set_reuseaddr(true).expect("an option of sockets");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(any).expect("a port");
        Reserved(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }
}
