//! Ports on 127.0.0.1 for programs that have to be told theirs before they run.
//!
//! A port that was free once is the system's to give away: to whoever binds port 0, and to every
//! outgoing connection. So these lie outside the range that the system chooses from.
//!
//! Compiled into `xtask` and into the notification service's tests as well, so it knows nothing of
//! ours and needs only the standard library.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Below what Linux, macOS and Windows choose from, above what well-known servers use.
const CANDIDATES: RangeInclusive<u16> = 15_000..=31_999;
/// Where Linux says which ports it chooses from.
const SYSTEM_RANGE_FILE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Binds a free port, which is held until the listener is dropped and is likely to stay free after
/// that: this process is never given it again, and the system gives it to nobody by itself.
///
/// # Errors
/// When no candidate is left, or binding fails for another reason than that the port is taken.
pub fn hold() -> io::Result<TcpListener> {
    static CANDIDATES_LEFT: OnceLock<Cursor> = OnceLock::new();
    let cursor = CANDIDATES_LEFT.get_or_init(|| {
        let system = std::fs::read_to_string(SYSTEM_RANGE_FILE).unwrap_or_default();
        Cursor::new(candidates(&system))
    });
    while let Some(port) = cursor.next() {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    let ports = cursor.ports.len();
    Err(io::Error::other(format!(
        "all {ports} ports of {CANDIDATES:?} were tried; {SYSTEM_RANGE_FILE} must leave some of them"
    )))
}

/// Gives each port once, from a random one on: processes that run at the same time begin elsewhere.
struct Cursor {
    ports: Vec<u16>,
    start: usize,
    given: AtomicUsize,
}

impl Cursor {
    fn new(ports: Vec<u16>) -> Self {
        let random = RandomState::new().hash_one(std::process::id());
        Self {
            start: usize::try_from(random >> 40).unwrap_or(0),
            given: AtomicUsize::new(0),
            ports,
        }
    }

    fn next(&self) -> Option<u16> {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        let is_left = given < self.ports.len();
        is_left.then(|| self.ports[(self.start + given) % self.ports.len()])
    }
}

/// The candidates that the system, which says its range as `FIRST LAST`, does not choose from.
fn candidates(system: &str) -> Vec<u16> {
    let mut ends = system.split_whitespace().map_while(|end| end.parse().ok());
    let is_given = ends
        .next()
        .zip(ends.next())
        .map(|(first, last)| first..=last);
    let stays = |port: &u16| is_given.as_ref().is_none_or(|given| !given.contains(port));
    CANDIDATES.filter(stays).collect()
}

#[cfg(test)]
mod tests;
