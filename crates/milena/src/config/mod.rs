//! The application's configuration: parsed once at the edge, checked, immutable.
//!
//! Owns the settings of the framework, their names and where they come from: the
//! builder, the environment (`MILENA_*`), a `kafka://` URL. Opens no connection.

mod builder;
mod error;
mod servers;
mod settings;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use milena_client::ClientConfig;
use milena_client::security::{SaslConfig, TlsConfig};

pub use self::builder::ConfigBuilder;
pub use self::error::ConfigError;
pub(crate) use self::servers::topic_problem;
pub use milena_client::Compression;
pub use milena_client::consumer::OffsetReset;
pub use milena_client::security::Secret;

/// The checked settings of an application.
///
/// | setting | default | what it is |
/// |---|---|---|
/// | `bootstrap.servers` | `localhost:9092` | `host:port` pairs separated by commas |
/// | `username`, `password` | | credentials; `sasl.username` and `sasl.password` mean the same |
/// | `security.protocol` | `PLAINTEXT`; with a username `SASL_SSL` | `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL` |
/// | `sasl.mechanism` | with a username `PLAIN` | `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER` |
/// | `ssl.…`, `sasl.…` | | as the client has them: PEM files and texts, login modules, token endpoints |
/// | `client.id` | `milena` | the name brokers log, and dead letters carry |
/// | `group.id` | | the consumer group; an application needs one |
/// | `topic.prefix` | | put before every topic name on its way to the cluster |
/// | `auto.offset.reset` | `earliest` | where a group without a committed offset starts |
/// | `compression.type` | `none` | how published batches are compressed |
/// | `linger.ms` | 5 | how long a publish waits for others to share its batch |
/// | `socket.connection.setup.timeout.ms` | 10000 | how long connecting may take |
/// | `request.timeout.ms` | 30000 | how long a broker may take for one request |
/// | `delivery.timeout.ms` | 120000 | how long publishing may take, retries included |
/// | `session.timeout.ms` | 45000 | when the group gives up a member that is silent |
/// | `max.poll.interval.ms` | 300000 | how long a rebalance waits for its members |
/// | `commit.interval.ms` | 1000 | how often finished offsets are committed |
/// | `revocation.timeout.ms` | 30000 | how long handlers may finish when partitions go |
/// | `shutdown.timeout.ms` | 30000 | how long handlers may finish when the application stops |
/// | `partition.buffer.bytes` | 4194304 | fetched bytes that may wait for one partition's handlers |
/// | `dead.letter.record.bytes` | 1047552 | how large a dead letter may be; diagnostics give way |
/// | `dead.letter.create.topic` | `true` | whether missing dead letter topics are created |
///
/// Names may be written with `_` for `.`; the environment variable of `group.id` is
/// `MILENA_GROUP_ID`, and so on.
///
/// ```
/// use milena::Config;
///
/// let config = Config::builder()
///     .bootstrap_servers("kafka-1:9092,kafka-2:9092")
///     .group_id("billing")
///     .build()?;
/// assert_eq!(config.get("group.id").as_deref(), Some("billing"));
/// # Ok::<(), milena::ConfigError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Config {
    pub(crate) bootstrap_servers: Vec<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    /// Properties of the client's security, under their own names.
    pub(crate) security: BTreeMap<&'static str, Secret>,
    pub(crate) client_id: String,
    pub(crate) group_id: Option<String>,
    pub(crate) topic_prefix: String,
    pub(crate) auto_offset_reset: OffsetReset,
    pub(crate) compression: Compression,
    pub(crate) linger: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) commit_interval: Duration,
    pub(crate) revocation_timeout: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) partition_buffer_bytes: usize,
    pub(crate) dead_letter_record_bytes: usize,
    pub(crate) dead_letter_create_topic: bool,
}

impl Config {
    /// Starts from the defaults.
    #[must_use = "a builder does nothing until `build`"]
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::new()
    }

    /// Reads the environment: `MILENA_` and a setting's name in capitals
    /// (`MILENA_BOOTSTRAP_SERVERS`, `MILENA_GROUP_ID`, …), and `MILENA_URL`, whose
    /// servers and credentials override the others.
    ///
    /// With no server configured it is `localhost:9092`, and a warning is logged.
    ///
    /// # Errors
    /// The first variable whose value is not allowed.
    pub fn from_env() -> Result<Config, ConfigError> {
        Config::builder().environment().build()
    }

    /// Reads a URL: `kafka://user:password@h1:9092,h2:9092?group_id=billing&linger_ms=5`.
    ///
    /// # Errors
    /// A malformed URL, an unknown setting (with the nearest known one) or a value
    /// that is not allowed.
    pub fn from_url(url: &str) -> Result<Config, ConfigError> {
        Config::builder().url(url).build()
    }

    /// Reads any setting back as text, under Kafka's name (`group.id`) or ours
    /// (`group_id`). `None` when there is no such setting or it is not set; secrets
    /// are masked.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        settings::find(name).and_then(|setting| (setting.read)(self))
    }

    /// The names of all settings, as [`Config::get`] takes them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        settings::SETTINGS.iter().map(|setting| setting.name)
    }

    /// The `host:port` pairs the first connection is tried on.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &[String] {
        &self.bootstrap_servers
    }

    /// The consumer group, when one is configured.
    #[must_use]
    pub fn group_id(&self) -> Option<&str> {
        self.group_id.as_deref()
    }

    /// The name of a topic as the cluster knows it: with the prefix.
    #[must_use]
    pub fn topic_name(&self, topic: &str) -> String {
        format!("{}{topic}", self.topic_prefix)
    }

    /// What the client makes of this.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, ConfigError> {
        let mut config = ClientConfig::new(&self.bootstrap_servers.join(","))
            .client_id(&self.client_id)
            .connect_timeout(self.connect_timeout)
            .request_timeout(self.request_timeout);
        let (tls, sasl) = self.security_config()?;
        if let Some(tls) = tls {
            config = config.tls(tls);
        }
        if let Some(sasl) = sasl {
            config = config.sasl(sasl);
        }
        Ok(config)
    }

    /// What the client makes of the security settings. Who gives a user and a password, and says
    /// no more, gets the protocol and the mechanism of most hosted clusters, and never sends a
    /// password in the clear.
    fn security_config(&self) -> Result<(Option<TlsConfig>, Option<SaslConfig>), ConfigError> {
        let mut properties: BTreeMap<&str, &str> = self
            .security
            .iter()
            .map(|(name, value)| (*name, value.expose()))
            .collect();
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            properties.insert("sasl.username", username);
            properties.insert("sasl.password", password.expose());
            properties.entry("security.protocol").or_insert("SASL_SSL");
            properties.entry("sasl.mechanism").or_insert("PLAIN");
        }
        milena_client::config::security(properties).map_err(|error| match error {
            milena_client::Error::Config {
                field,
                value,
                expected,
            } => ConfigError::Invalid {
                field,
                value,
                allowed: expected,
            },
            other => ConfigError::Conflict {
                field: "security.protocol".to_owned(),
                problem: other.to_string(),
            },
        })
    }
}

impl fmt::Debug for Config {
    /// Every setting by name; the password and anything like it is masked.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Config");
        for setting in settings::SETTINGS {
            if let Some(value) = (setting.read)(self) {
                debug.field(setting.name, &format_args!("{value}"));
            }
        }
        debug.finish()
    }
}

#[cfg(test)]
mod tests;
