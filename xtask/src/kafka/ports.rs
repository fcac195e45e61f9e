//! The ports of one cluster: all of them distinct, whether they were asked for or chosen.

#[path = "../../../sim/src/ports/mod.rs"]
#[expect(unreachable_pub, reason = "it is public in the suite")]
mod free;

use anyhow::{Context, Result};
use std::net::{Ipv4Addr, TcpListener};

/// Holds each port that was taken until all are known, so that none is taken twice.
#[derive(Default)]
pub(super) struct Ports {
    held: Vec<TcpListener>,
}

impl Ports {
    /// Takes this port; if it is taken already, that is an error with the way out.
    pub(super) fn take(&mut self, port: u16) -> Result<u16> {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = bound.with_context(|| {
            format!(
                "port {port} is in use: choose another with --port, or a free one with --port 0"
            )
        })?;
        self.keep(listener)
    }

    /// Takes a port that is free.
    pub(super) fn choose(&mut self) -> Result<u16> {
        self.keep(free::hold().context("cannot choose a port")?)
    }

    fn keep(&mut self, listener: TcpListener) -> Result<u16> {
        let port = listener.local_addr()?.port();
        self.held.push(listener);
        Ok(port)
    }
}
