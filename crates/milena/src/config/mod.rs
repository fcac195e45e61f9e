//! The application's configuration: parsed once at the edge, checked, immutable.
//!
//! Owns the settings of the framework, their names and where they come from: a profile, a file, the
//! environment (`MILENA_*`), a `kafka://` URL, the builder. Opens no connection.

mod builder;
mod checks;
mod client_settings;
mod consumer_id;
mod error;
mod file;
mod given;
mod offset_reset;
mod ports;
mod prefix;
mod profile;
pub(crate) mod publisher;
mod serializers;
mod servers;
mod settings;
mod source;
mod tokens;
mod typed;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use self::builder::ConfigBuilder;
pub use self::error::ConfigError;
pub use self::ports::PortRegistry;
pub(crate) use self::prefix::TopicPrefix;
pub use self::profile::Profile;
use self::publisher::PublisherSettings;
pub use self::servers::IntoServers;
pub(crate) use self::servers::topic_problem;
pub use self::source::Source;
use crate::telemetry::TraceMode;
pub use milena_client::Compression;
pub use milena_client::consumer::OffsetReset;
use milena_client::security::SaslConfig;
pub use milena_client::security::{Secret, Token, TokenError, TokenFuture, TokenProvider};

/// The checked settings of an application.
///
/// | setting | default | what it is |
/// |---|---|---|
/// | `bootstrap.servers` | `localhost:9092` | `host:port` pairs separated by commas |
/// | `username`, `password` | | credentials; `sasl.username` and `sasl.password` mean the same |
/// | `security.protocol` | `PLAINTEXT`; with a username `SASL_SSL` | `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL` |
/// | `sasl.mechanism` | with a username `PLAIN` | `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER` |
/// | `ssl.…`, `sasl.…` | | as the client has them: PEM files and texts, login modules, token endpoints; for tokens of your own see [`ConfigBuilder::token_provider`] |
/// | `profile` | | `high-throughput`, `high-reliability` or `low-latency`; see [`Profile`] |
/// | `client.id` | `milena` | the name brokers log, and dead letters carry |
/// | `consumer.id` | | which of several consumers of the group this is; see [`Config::with_consumer_id`] |
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
/// | `enable.auto.commit` | `true` | whether a [`Consumer`](crate::Consumer) commits what was processed by itself; an application commits what is handled, either way |
/// | `commit.interval.ms` | 1000 | how often finished offsets are committed |
/// | `revocation.timeout.ms` | 30000 | how long handlers may finish when partitions go |
/// | `shutdown.timeout.ms` | 30000 | how long handlers may finish when the application stops |
/// | `flush.timeout.ms` | 30000 | how long flushing a publisher or producer may take, unless the call says |
/// | `start.attempts` | 5 | how often connecting is tried before a start fails |
/// | `start.backoff.ms`, `start.backoff.max.ms` | 1000, 30000 | the wait after the first failed attempt, doubled after each, up to the second |
/// | `poll.timeout.ms` | 1000 | how long a [`Consumer`](crate::Consumer) waits for the next message |
/// | `health.interval.ms` | 5000 | how often an application looks at its own health |
/// | `health.stuck.timeout.ms` | 300000 | how long work may wait without any being done |
/// | `health.grace.ms` | 60000 | how long a member may be without its group |
/// | `health.address` | | where `/live`, `/ready` and `/started` are answered, as `127.0.0.1:8080`; needs the feature `http` |
/// | `partition.buffer.bytes` | 4194304 | fetched bytes that may wait for one partition's handlers |
/// | `dead.letter.record.bytes` | 1047552 | how large a dead letter may be; diagnostics give way |
/// | `dead.letter.create.topic` | `true` | whether missing dead letter topics are created |
/// | `trace.context` | `continue` | what becomes of trace contexts in headers: `off`, `continue` or `generate`; see [`telemetry`](crate::telemetry) |
/// | `retries` | 2147483647 | taken because Kafka's clients have it; `delivery.timeout.ms` says how long is tried |
/// | `key.serializer`, `value.serializer`, `key.deserializer`, `value.deserializer` | | taken where they name texts, bytes, numbers, UUIDs or JSON; types decide how keys and values are written and read |
/// | `milena.publisher.retry.attempts` | 5 | how often a [`ReliablePublisher`](crate::ReliablePublisher) tries a message; the others of this name are its, too |
/// | `milena.publisher.retry.delay.ms` | 1000 | the first delay between attempts; each is twice the one before |
/// | `milena.publisher.retry.delay.max.ms` | 30000 | the longest delay |
/// | `milena.publisher.dead.letters` | `true` | whether there are dead letters |
/// | `milena.publisher.dead.letter.topic` | | one topic for all of them, instead of `<topic>.dlq` |
/// | `milena.publisher.breaker.failures` | 0 | failed attempts in a row that open the breaker; 0 for none, or 10 with a spool |
/// | `milena.publisher.breaker.pause.ms` | 10000 | how long nothing is sent before the next probe |
/// | `milena.publisher.rate.limit` | 0 | messages a second; 0 for no limit |
/// | `milena.publisher.rate.burst` | 1 | how many may go at once after a quiet time |
/// | `milena.publisher.waiting.max` | 100000 | failed messages that may wait before publishing waits too |
/// | `milena.publisher.waiting.bytes` | 268435456 | bytes of them, likewise |
/// | `milena.publisher.spool.directory` | | where messages wait while the cluster is gone; no spool without it |
/// | `milena.publisher.spool.bytes` | 1073741824 | how large the spool may be |
/// | `milena.publisher.spool.sync` | 1000 | when it is forced to the disk: `always`, `never` or so many milliseconds later at most |
///
/// Further settings are the client's own, under Kafka's names and with its defaults: `acks`,
/// `batch.size`, `buffer.memory`, `max.block.ms`, `max.in.flight.requests.per.connection`,
/// `fetch.min.bytes`, `heartbeat.interval.ms`, `isolation.level`, `group.instance.id`,
/// `transactional.id` and more; [`Config::names`] has them all. librdkafka's names mean the same.
///
/// Names may be written with `_` for `.`, and without `milena.` in front; the environment
/// variable of `group.id` is `MILENA_GROUP_ID`, that of `milena.publisher.spool.directory` is
/// `MILENA_PUBLISHER_SPOOL_DIRECTORY`. Where a value comes from several sources, see
/// [`ConfigBuilder`].
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
    /// Where tokens come from, if the program brings that itself.
    pub(crate) tokens: Option<SaslConfig>,
    /// Properties of the client's security, under their own names.
    pub(crate) security: BTreeMap<&'static str, Secret>,
    /// The client's own settings, as text.
    pub(crate) client_properties: BTreeMap<&'static str, String>,
    /// Where the values come from that are not defaults.
    pub(crate) sources: BTreeMap<&'static str, Source>,
    pub(crate) profile: Option<Profile>,
    pub(crate) enable_auto_commit: bool,
    pub(crate) client_id: String,
    pub(crate) consumer_id: Option<usize>,
    pub(crate) group_id: Option<String>,
    pub(crate) topic_prefix: TopicPrefix,
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
    pub(crate) flush_timeout: Duration,
    pub(crate) start_attempts: u32,
    pub(crate) start_backoff: Duration,
    pub(crate) start_backoff_max: Duration,
    pub(crate) poll_timeout: Duration,
    pub(crate) health_interval: Duration,
    pub(crate) health_stuck_timeout: Duration,
    pub(crate) health_grace: Duration,
    pub(crate) health_address: Option<SocketAddr>,
    pub(crate) partition_buffer_bytes: usize,
    pub(crate) dead_letter_record_bytes: usize,
    pub(crate) dead_letter_create_topic: bool,
    pub(crate) trace_mode: TraceMode,
    pub(crate) publisher: PublisherSettings,
}

impl Config {
    /// Starts from the defaults.
    #[must_use = "a builder does nothing until `build`"]
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::new()
    }

    /// Reads the environment: `MILENA_` and a setting's name in capitals
    /// (`MILENA_BOOTSTRAP_SERVERS`, `MILENA_GROUP_ID`, …), and `MILENA_URL`, whose
    /// servers and credentials override the others. `MILENA_CONFIG` names a file to read first.
    ///
    /// With no server configured it is `localhost:9092`, and a warning is logged.
    ///
    /// # Errors
    /// The first variable whose value is not allowed or whose name is that of a setting misspelt.
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

    /// Where the value of a setting came from; `None` when there is no such setting.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<Source> {
        settings::find(name).map(|setting| self.origin_of(setting.name))
    }

    fn origin_of(&self, name: &str) -> Source {
        self.sources.get(name).cloned().unwrap_or_default()
    }

    /// The effective configuration: every setting that has a value, with secrets masked, and where
    /// the value came from.
    ///
    /// ```
    /// let config = milena::Config::from_url("kafka://me:secret@broker:9092?linger.ms=20")?;
    /// let entry = config.entries().find(|entry| entry.name == "linger.ms").unwrap();
    /// assert_eq!((entry.value.as_str(), entry.source.to_string()), ("20", "URL in builder".into()));
    /// assert!(config.entries().all(|entry| entry.value != "secret"));
    /// # Ok::<(), milena::ConfigError>(())
    /// ```
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        settings::all().filter_map(|setting| {
            Some(Entry {
                name: setting.name,
                value: (setting.read)(self)?,
                source: self.origin_of(setting.name),
            })
        })
    }

    /// The names of all settings, as [`Config::get`] takes them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        settings::all().map(|setting| setting.name)
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
        self.topic_prefix.put_on(topic).into_owned()
    }
}

/// One setting of a [`Config`]: its value, and where that came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Kafka's name of the setting where it has one.
    pub name: &'static str,
    /// The value as text; `***` for secrets.
    pub value: String,
    /// Where the value came from.
    pub source: Source,
}

impl fmt::Debug for Config {
    /// Every setting by name; the password and anything like it is masked.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Config");
        for setting in settings::all() {
            if let Some(value) = (setting.read)(self) {
                debug.field(setting.name, &format_args!("{value}"));
            }
        }
        if self.tokens.is_some() {
            debug.field("token provider", &format_args!("***"));
        }
        debug.finish()
    }
}

#[cfg(test)]
mod tests;
