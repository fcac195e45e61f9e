//! `kafka://user:password@h1:9092,h2:9092?group_id=…`, taken apart.

use super::ConfigError;
use super::settings::MASK;
use super::source::Source;

const ALLOWED: &str = "kafka://[user:password@]host[:port][,host[:port]…][?setting=value&…]";

/// The parts of a URL, percent-decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UrlParts {
    pub(crate) servers: String,
    pub(crate) credentials: Option<(String, String)>,
    pub(crate) settings: Vec<(String, String)>,
}

/// Takes a URL apart. Errors never show the credentials.
pub(crate) fn split(text: &str, origin: &Source) -> Result<UrlParts, ConfigError> {
    let invalid = || ConfigError::Invalid {
        field: "url".to_owned(),
        value: masked(text),
        allowed: ALLOWED.to_owned(),
        origin: origin.clone(),
    };
    let rest = text.strip_prefix("kafka://").ok_or_else(invalid)?;
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (credentials, servers) = match authority.rsplit_once('@') {
        None => (None, authority),
        Some((user_info, servers)) => {
            let (user, password) = user_info.split_once(':').ok_or_else(invalid)?;
            let decoded = (percent_decoded(user), percent_decoded(password));
            let (Some(user), Some(password)) = decoded else {
                return Err(invalid());
            };
            (Some((user, password)), servers)
        }
    };
    if servers.is_empty() || servers.contains('/') {
        return Err(invalid());
    }
    // The list of servers is what keeps this from being a standard URL; the query is one.
    let settings = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    Ok(UrlParts {
        servers: servers.to_owned(),
        credentials,
        settings,
    })
}

fn masked(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}{MASK}{}", &text[..scheme + 3], &text[at..])
        }
        (None, Some(at)) => format!("{MASK}{}", &text[at..]),
        _ => text.to_owned(),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        rest = after;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}
