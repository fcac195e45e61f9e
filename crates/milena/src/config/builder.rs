//! Collects settings from all their sources and checks them together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::error::ConfigError;
use super::file::{self, FileValue};
use super::given::{self, Given};
use super::publisher::PublisherSettings;
use super::servers::{IntoServers, SERVERS_ALLOWED, parse_servers};
use super::settings;
use super::source::Source;
use super::{Compression, Config, OffsetReset, Profile, TopicPrefix, checks, offset_reset, url};
use crate::telemetry::TraceMode;

/// Builds a [`Config`] from all its sources.
///
/// Whatever the order of the calls: defaults give way to a profile, a profile to a file, a file to
/// the environment, the environment to a URL, and all of them to what the builder is told by
/// name. Only the servers and credentials of a URL win over those from anywhere else. Of the same
/// source the later call counts. The first thing that is wrong is what [`ConfigBuilder::build`]
/// returns.
///
/// ```
/// use milena::{Config, Source};
///
/// let config = Config::builder()
///     .linger(std::time::Duration::from_millis(7))
///     .url("kafka://user:secret@h1:9092,h2:9092?group.id=billing&linger.ms=1")
///     .bootstrap_servers("elsewhere:9092")
///     .build()?;
/// assert_eq!(config.bootstrap_servers(), ["h1:9092", "h2:9092"]);
/// assert_eq!(config.get("linger.ms").as_deref(), Some("7"));
/// assert_eq!(config.source("linger.ms"), Some(Source::Builder));
/// assert_eq!(config.source("group.id").unwrap().to_string(), "URL in builder");
/// assert_eq!(config.get("password").as_deref(), Some("***"));
/// # Ok::<(), milena::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct ConfigBuilder {
    pub(super) config: Config,
    given: Vec<Given>,
    /// Servers and credentials of a URL.
    overriding: Vec<Given>,
    first_error: Option<ConfigError>,
}

impl ConfigBuilder {
    pub(crate) fn new() -> ConfigBuilder {
        let config = Config {
            bootstrap_servers: Vec::new(),
            username: None,
            password: None,
            tokens: None,
            security: BTreeMap::new(),
            client_properties: BTreeMap::new(),
            sources: BTreeMap::new(),
            profile: None,
            enable_auto_commit: true,
            client_id: "milena".to_owned(),
            consumer_id: None,
            group_id: None,
            topic_prefix: TopicPrefix::default(),
            auto_offset_reset: OffsetReset::Earliest,
            compression: Compression::None,
            linger: Duration::from_millis(5),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            delivery_timeout: Duration::from_secs(120),
            session_timeout: Duration::from_secs(45),
            rebalance_timeout: Duration::from_secs(300),
            commit_interval: Duration::from_secs(1),
            revocation_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(30),
            flush_timeout: Duration::from_secs(30),
            start_attempts: 5,
            start_backoff: Duration::from_secs(1),
            start_backoff_max: Duration::from_secs(30),
            poll_timeout: Duration::from_secs(1),
            health_interval: Duration::from_secs(5),
            health_stuck_timeout: Duration::from_secs(300),
            health_grace: Duration::from_secs(60),
            health_address: None,
            partition_buffer_bytes: 4 << 20,
            dead_letter_record_bytes: (1 << 20) - 1024,
            dead_letter_create_topic: true,
            trace_mode: TraceMode::default(),
            publisher: PublisherSettings::default(),
        };
        ConfigBuilder {
            config,
            given: Vec::new(),
            overriding: Vec::new(),
            first_error: None,
        }
    }

    /// Where the first connection is tried: one text of `host:port` pairs separated by commas, or
    /// a list of such texts. The port is 9092 when left out; an empty list is an error.
    ///
    /// ```
    /// use milena::Config;
    ///
    /// let text = Config::builder().bootstrap_servers("h1:9092,h2").build()?;
    /// let list = Config::builder().bootstrap_servers(["h1:9092", "h2"]).build()?;
    /// assert_eq!(text.bootstrap_servers(), list.bootstrap_servers());
    /// # Ok::<(), milena::ConfigError>(())
    /// ```
    pub fn bootstrap_servers<Form>(self, servers: impl IntoServers<Form>) -> ConfigBuilder {
        match servers.into_servers() {
            Some(servers) => self.set("bootstrap.servers", &servers),
            None => self.failed(ConfigError::Invalid {
                field: "bootstrap.servers".to_owned(),
                value: "[]".to_owned(),
                allowed: format!("at least one server: {SERVERS_ALLOWED}"),
                origin: Source::Builder,
            }),
        }
    }

    /// The name the brokers log and count requests under; `milena` by default.
    pub fn client_id(self, id: impl AsRef<str>) -> ConfigBuilder {
        self.set("client.id", id.as_ref())
    }

    /// The consumer group. An [`App`](crate::App) needs one.
    pub fn group_id(self, id: impl AsRef<str>) -> ConfigBuilder {
        self.set("group.id", id.as_ref())
    }

    /// Put before every topic name on its way to the cluster, and taken off again
    /// before a handler sees it.
    pub fn topic_prefix(self, prefix: impl AsRef<str>) -> ConfigBuilder {
        self.set("topic.prefix", prefix.as_ref())
    }

    /// Where a group without a committed offset starts. The default is `earliest`,
    /// unlike Kafka's: with `latest`, records of a new partition written before the
    /// group notices it are never handled.
    pub fn auto_offset_reset(self, reset: OffsetReset) -> ConfigBuilder {
        self.set("auto.offset.reset", &offset_reset::text(reset))
    }

    /// How published batches are compressed; not at all by default.
    pub fn compression(self, compression: Compression) -> ConfigBuilder {
        self.set("compression.type", &compression.to_string())
    }

    /// A named set of values, weaker than anything set by name, wherever that is set.
    ///
    /// ```
    /// use milena::{Config, Profile};
    ///
    /// let config = Config::builder()
    ///     .profile(Profile::HighThroughput)
    ///     .set("linger.ms", "20")
    ///     .build()?;
    /// assert_eq!(config.get("batch.size").as_deref(), Some("1048576"));
    /// assert_eq!(config.get("linger.ms").as_deref(), Some("20"));
    /// # Ok::<(), milena::ConfigError>(())
    /// ```
    pub fn profile(self, profile: Profile) -> ConfigBuilder {
        self.set("profile", &profile.to_string())
    }

    /// How often finished offsets are committed; 1 s by default.
    pub fn commit_interval(self, interval: Duration) -> ConfigBuilder {
        self.set_ms("commit.interval.ms", interval)
    }

    /// How long handlers may finish what they are at when partitions are taken away;
    /// 30 s by default. What is not done by then is handled again by the next owner.
    pub fn revocation_timeout(self, timeout: Duration) -> ConfigBuilder {
        self.set_ms("revocation.timeout.ms", timeout)
    }

    /// How long handlers may finish what they are at when the application stops; 30 s
    /// by default.
    pub fn shutdown_timeout(self, timeout: Duration) -> ConfigBuilder {
        self.set_ms("shutdown.timeout.ms", timeout)
    }

    /// How long flushing may take where no other time is given; 30 s by default.
    pub fn flush_timeout(self, timeout: Duration) -> ConfigBuilder {
        self.set_ms("flush.timeout.ms", timeout)
    }

    /// How long a publish waits for more records to share its batch; 5 ms by default.
    pub fn linger(self, linger: Duration) -> ConfigBuilder {
        self.set_ms("linger.ms", linger)
    }

    /// Sets any setting by name (Kafka's `session.timeout.ms` or `session_timeout_ms`).
    pub fn set(self, name: &str, value: &str) -> ConfigBuilder {
        self.give(name, value, Source::Builder)
    }

    /// Sets all of these, under Kafka's or librdkafka's names.
    ///
    /// ```
    /// let config = milena::Config::builder()
    ///     .properties([("acks", "all"), ("batch.size", "65536"), ("compression.type", "zstd")])
    ///     .build()?;
    /// assert_eq!(config.get("batch.size").as_deref(), Some("65536"));
    /// # Ok::<(), milena::ConfigError>(())
    /// ```
    pub fn properties<N, V>(self, properties: impl IntoIterator<Item = (N, V)>) -> ConfigBuilder
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        properties.into_iter().fold(self, |builder, (name, value)| {
            builder.set(name.as_ref(), value.as_ref())
        })
    }

    /// Takes servers, credentials and settings from a `kafka://` URL.
    pub fn url(self, text: &str) -> ConfigBuilder {
        self.give("url", text, Source::Builder)
    }

    /// Takes settings from a file, TOML or YAML by its extension. Names are those of
    /// [`ConfigBuilder::set`], flat or as tables; `url` may be among them. Reads it at once.
    ///
    /// ```
    /// # let directory = std::env::temp_dir().join(format!("milena-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// let path = directory.join("milena.toml");
    /// std::fs::write(&path, "bootstrap.servers = ['h1:9092', 'h2:9092']\n\n[group]\nid = 'billing'\n")?;
    ///
    /// let config = milena::Config::builder().file(&path).build()?;
    /// assert_eq!(config.group_id(), Some("billing"));
    /// assert!(config.source("group.id").unwrap().to_string().ends_with("milena.toml:4"));
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn file(self, path: impl AsRef<Path>) -> ConfigBuilder {
        let path = path.as_ref();
        match file::read(path) {
            Ok(values) => self.give_file(&path.display().to_string(), values),
            Err(error) => self.failed(error),
        }
    }

    /// Takes what the process's environment says; see [`Config::from_env`].
    pub fn environment(self) -> ConfigBuilder {
        self.variables(std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with("MILENA_")
                .then(|| (name, value.to_string_lossy().into_owned()))
        }))
    }

    /// As [`ConfigBuilder::environment`], from variables at hand. Those that are not
    /// ours are left alone; one that looks like a misspelt setting is an error.
    pub fn variables<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> ConfigBuilder
    where
        N: Into<String>,
        V: Into<String>,
    {
        for (variable, value) in variables {
            let (variable, value) = (variable.into(), value.into());
            let Some(name) = variable.strip_prefix("MILENA_") else {
                continue;
            };
            let name = name.to_ascii_lowercase();
            if name == "config" {
                self = self.file(&value);
                continue;
            }
            let nearest = settings::nearest(&name);
            let is_known = name == "url" || settings::find(&name).is_some();
            let source = Source::Environment { variable };
            if is_known {
                self = self.give(&name, &value, source);
            } else if nearest.is_some() {
                self.fail(ConfigError::Unknown {
                    name,
                    nearest,
                    origin: source,
                });
            }
        }
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// The first setting that is unknown, not allowed or contradicts another.
    pub fn build(mut self) -> Result<Config, ConfigError> {
        if let Some(error) = self.first_error {
            return Err(error);
        }
        given::apply(self.given, &mut self.config)?;
        given::apply(self.overriding, &mut self.config)?;
        checks::check(&self.config)?;
        if self.config.bootstrap_servers.is_empty() {
            tracing::warn!(
                event = "config_default_server",
                server = "localhost:9092",
                "no server is configured; set MILENA_BOOTSTRAP_SERVERS or MILENA_URL"
            );
            self.config
                .bootstrap_servers
                .push("localhost:9092".to_owned());
        }
        self.config.client_config().map(drop)?;
        self.config.producer_config().map(drop)?;
        self.config.transactional_config().map(drop)?;
        self.config.consumer_config().map(drop)?;
        if let Some(retries) = self.config.client_properties.get("retries") {
            tracing::info!(
                event = "config_setting_without_effect",
                setting = "retries",
                value = retries.as_str(),
                "a producer tries until delivery.timeout.ms is over"
            );
        }
        Ok(self.config)
    }

    fn set_ms(self, name: &str, duration: Duration) -> ConfigBuilder {
        self.set(name, &duration.as_millis().to_string())
    }

    fn give(mut self, name: &str, value: &str, source: Source) -> ConfigBuilder {
        if name == "url" {
            return self.give_url(value, &source);
        }
        match Given::new(name, value, source) {
            Ok(given) => self.given.push(given),
            Err(error) => self.fail(error),
        }
        self
    }

    fn give_file(mut self, path: &str, values: Vec<FileValue>) -> ConfigBuilder {
        let mut seen = BTreeSet::new();
        for FileValue { name, text, line } in values {
            let key = settings::find(&name).map_or(name.as_str(), |setting| setting.name);
            if !seen.insert(key.to_owned()) {
                self.fail(ConfigError::File {
                    path: path.to_owned(),
                    line: Some(line),
                    problem: format!("{name} is set twice"),
                });
            }
            let path = path.to_owned();
            self = self.give(&name, &text, Source::File { path, line });
        }
        self
    }

    fn give_url(mut self, text: &str, given_in: &Source) -> ConfigBuilder {
        let source = Source::Url {
            given_in: given_in.to_string(),
        };
        let parts = match url::split(text, given_in) {
            Ok(parts) => parts,
            Err(error) => return self.failed(error),
        };
        if parse_servers(&parts.servers).is_none() {
            self.fail(ConfigError::Invalid {
                field: "url".to_owned(),
                value: parts.servers.clone(),
                allowed: SERVERS_ALLOWED.to_owned(),
                origin: given_in.clone(),
            });
        }
        let mut overriding = vec![("bootstrap.servers", parts.servers)];
        if let Some((username, password)) = parts.credentials {
            overriding.extend([("username", username), ("password", password)]);
        }
        for (name, value) in overriding {
            match Given::new(name, &value, source.clone()) {
                Ok(given) => self.overriding.push(given),
                Err(error) => self.fail(error),
            }
        }
        for (name, value) in parts.settings {
            self = self.give(&name, &value, source.clone());
        }
        self
    }

    fn failed(mut self, error: ConfigError) -> ConfigBuilder {
        self.fail(error);
        self
    }

    fn fail(&mut self, error: ConfigError) {
        self.first_error.get_or_insert(error);
    }
}
