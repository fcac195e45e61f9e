//! `listeners` and `advertised.listeners`: names, protocols and addresses.

use std::collections::BTreeMap;

/// How clients of a listener talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Protocol {
    pub(crate) has_tls: bool,
    pub(crate) has_sasl: bool,
}

/// One entry of `listeners`, or of `advertised.listeners`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenerAddress {
    /// In capitals, such as `SASL_SSL`.
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// `listener.security.protocol.map`
pub(crate) type ProtocolMap = BTreeMap<String, Protocol>;

const NAME_DEFAULT: &str = "PLAINTEXT";

impl Protocol {
    fn from_name(name: &str) -> Option<Self> {
        let protocol = |has_sasl, has_tls| Some(Self { has_tls, has_sasl });
        match name {
            "PLAINTEXT" => protocol(false, false),
            "SSL" => protocol(false, true),
            "SASL_PLAINTEXT" => protocol(true, false),
            "SASL_SSL" => protocol(true, true),
            _ => None,
        }
    }
}

/// Reads `NAME:PROTOCOL,NAME:PROTOCOL`.
pub(super) fn protocol_map(value: &str) -> Result<ProtocolMap, String> {
    let entries = value.split(',').map(|entry| {
        let (name, protocol) = entry.trim().split_once(':')?;
        let protocol = Protocol::from_name(&protocol.trim().to_ascii_uppercase())?;
        Some((name.trim().to_ascii_uppercase(), protocol))
    });
    let entries: Option<ProtocolMap> = entries.collect();
    entries.ok_or_else(|| {
        "NAME:PROTOCOL pairs separated by commas are expected, \
         the protocol PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
            .to_owned()
    })
}

/// Reads `NAME://HOST:PORT,…`; without a name it is PLAINTEXT.
pub(super) fn listeners(value: &str) -> Result<Vec<(String, String, u16)>, String> {
    let entries: Option<Vec<_>> = value
        .split(',')
        .map(|entry| listener(entry.trim()))
        .collect();
    let entries =
        entries.ok_or("PLAINTEXT://HOST:PORT is expected, or several with other names")?;
    let mut names: Vec<&str> = entries.iter().map(|(name, ..)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < entries.len() {
        return Err("each listener needs a name of its own".to_owned());
    }
    Ok(entries)
}

fn listener(entry: &str) -> Option<(String, String, u16)> {
    let (name, address) = entry.split_once("://").unwrap_or((NAME_DEFAULT, entry));
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().ok()?;
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    (is_name && !host.is_empty()).then(|| (name.to_ascii_uppercase(), host.to_owned(), port))
}

/// Finds the protocol of each listener: what the map says, else what its name says.
pub(super) fn with_protocols(
    entries: &[(String, String, u16)],
    map: &ProtocolMap,
) -> Result<Vec<ListenerAddress>, String> {
    let found = entries.iter().map(|(name, host, port)| {
        let protocol = map.get(name).copied().or_else(|| Protocol::from_name(name));
        let protocol = protocol.ok_or_else(|| {
            format!("what listener {name} speaks is expected in listener.security.protocol.map")
        })?;
        Ok(ListenerAddress {
            name: name.clone(),
            protocol,
            host: host.clone(),
            port: *port,
        })
    });
    found.collect()
}
