//! In place of `tls.rs` when the feature `tls` is off: says so.

use std::io;

use tokio::net::TcpStream;

use super::Principal;
use super::listener::Scoped;
use crate::error::BrokerError;

/// There is none.
#[derive(Clone)]
pub(crate) enum TlsAcceptor {}

impl TlsAcceptor {
    pub(crate) async fn accept(&self, _stream: TcpStream) -> io::Result<(TcpStream, Principal)> {
        match *self {}
    }
}

impl Scoped<'_> {
    /// Always an error.
    pub(super) fn tls(&self) -> Result<TlsAcceptor, BrokerError> {
        let reason = "this build has no TLS; turn the feature `tls` of milena-broker on";
        Err(self.invalid("listeners", reason))
    }
}
