//! Names of servers and topics: what a legal one looks like.

/// Kafka's port when none is given.
pub(crate) const PORT_DEFAULT: u16 = 9092;

/// The longest topic name Kafka accepts, in bytes.
const TOPIC_NAME_BYTES_MAX: usize = 249;

pub(crate) const SERVERS_ALLOWED: &str =
    "host:port pairs separated by commas, such as kafka-1:9092,kafka-2:9092";

/// What [`ConfigBuilder::bootstrap_servers`](super::ConfigBuilder::bootstrap_servers) takes: one
/// text (`&str`, `String`, …) or a list of texts (an array, a `Vec`, a slice, any iterator).
///
/// `Form` is whichever of the two it is; the compiler finds it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no servers",
    note = "servers are one text, as in \"h1:9092,h2:9092\", or a list of texts, as in [\"h1:9092\", \"h2:9092\"]"
)]
pub trait IntoServers<Form>: sealed::Servers<Form> {}

impl<Form, T: sealed::Servers<Form>> IntoServers<Form> for T {}

mod sealed {
    /// One text.
    #[derive(Debug)]
    pub struct Text;
    /// A list of texts.
    #[derive(Debug)]
    pub struct List;

    pub trait Servers<Form> {
        /// All of them, separated by commas; `None` for an empty list.
        fn into_servers(self) -> Option<String>;
    }

    impl<T: AsRef<str>> Servers<Text> for T {
        fn into_servers(self) -> Option<String> {
            Some(self.as_ref().to_owned())
        }
    }

    impl<I: IntoIterator<Item: AsRef<str>>> Servers<List> for I {
        fn into_servers(self) -> Option<String> {
            let joined = |mut all: String, one: I::Item| {
                all.push(',');
                all.push_str(one.as_ref());
                all
            };
            let mut servers = self.into_iter();
            let first = servers.next()?.as_ref().to_owned();
            Some(servers.fold(first, joined))
        }
    }
}

/// Splits `h1:9092,h2` into `h1:9092` and `h2:9092`; `None` if any part is malformed.
pub(crate) fn parse_servers(list: &str) -> Option<Vec<String>> {
    let servers: Option<Vec<String>> = list.split(',').map(str::trim).map(parse_server).collect();
    servers.filter(|servers| !servers.is_empty())
}

fn parse_server(server: &str) -> Option<String> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (
                format!("[{host}]"),
                after.strip_prefix(':').or(after.is_empty().then_some(""))?,
            )
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host.to_owned(), port),
            None => (server.to_owned(), ""),
        },
    };
    let host_is_legal = !host.is_empty()
        && (host.starts_with('[')
            || host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)));
    let port = match port {
        "" if !server.ends_with(':') => PORT_DEFAULT,
        port => port.parse::<u16>().ok().filter(|port| *port != 0)?,
    };
    host_is_legal.then(|| format!("{host}:{port}"))
}

/// Why `name` is no legal topic name (or prefix of one); `None` when it is.
pub(crate) fn topic_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() || name == "." || name == ".." {
        return Some("a topic name is neither empty nor \".\" nor \"..\"");
    }
    if name.len() > TOPIC_NAME_BYTES_MAX {
        return Some("a topic name has at most 249 characters");
    }
    if !name.bytes().all(is_topic_byte) {
        return Some("a topic name consists of ASCII letters, digits, '.', '_' and '-'");
    }
    None
}

pub(crate) fn is_topic_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}
