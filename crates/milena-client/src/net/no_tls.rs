//! In place of `tls.rs` when the feature `tls` is off: says so.

use std::io;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::config::BrokerAddress;
use crate::error::Error;
use crate::security::TlsConfig;

/// There is none.
#[derive(Clone)]
pub(super) enum Tls {}

impl Tls {
    /// Always an error.
    pub(super) fn new(_config: &TlsConfig) -> Result<Self, Error> {
        let expected = "PLAINTEXT or SASL_PLAINTEXT: this build has no TLS; \
                        turn the feature `tls` of milena-client on";
        Err(Error::config("security.protocol", "SSL", expected))
    }

    pub(super) async fn connect(
        &self,
        _stream: TcpStream,
        _address: &BrokerAddress,
        _deadline: Instant,
    ) -> Result<TcpStream, Error> {
        match *self {}
    }
}

/// Nothing failed in TLS.
pub(super) fn reason(_error: &io::Error) -> Option<String> {
    None
}
