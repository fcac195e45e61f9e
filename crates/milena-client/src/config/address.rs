//! `host:port`, as it stands in `bootstrap.servers` and in metadata. Resolves no names.

use std::fmt;

use crate::error::Error;

/// Kafka's usual port, for an address that names none.
const PORT_DEFAULT: u16 = 9092;

/// Where a broker listens. The host is a name or an IP address, not yet resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BrokerAddress {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub(crate) host: String,
    /// Its TCP port.
    pub(crate) port: u16,
}

impl BrokerAddress {
    /// Parses one address of `bootstrap.servers`: `host`, `host:port`, `[::1]:port`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let malformed = || {
            Error::config(
                "bootstrap.servers",
                text,
                "expected host:port, such as localhost:9092 or [::1]:9092",
            )
        };
        let text = text.trim();
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or_else(malformed)?;
                (
                    host,
                    after
                        .strip_prefix(':')
                        .or(after.is_empty().then_some(""))
                        .ok_or_else(malformed)?,
                )
            }
            None => match text.split_once(':') {
                Some((host, port)) if !port.is_empty() => (host, port),
                Some(_) => return Err(malformed()),
                None => (text, ""),
            },
        };
        let port = match port {
            "" => PORT_DEFAULT,
            port => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(malformed)?,
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(malformed());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests;
