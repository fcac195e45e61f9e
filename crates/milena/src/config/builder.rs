//! Collects settings from all their sources and checks them together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::ConfigError;
use super::settings::{self, MASK, Setting};
use super::{Compression, Config, OffsetReset, Secret, servers, url};

/// Builds a [`Config`]. Later calls override earlier ones, except that a URL always
/// wins over other server settings and credentials. The first thing that is wrong is
/// what [`ConfigBuilder::build`] returns.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct ConfigBuilder {
    config: Config,
    from_url: Option<UrlOverride>,
    first_error: Option<ConfigError>,
}

#[derive(Debug, Clone)]
struct UrlOverride {
    servers: Vec<String>,
    credentials: Option<(String, Secret)>,
}

impl ConfigBuilder {
    pub(crate) fn new() -> ConfigBuilder {
        let config = Config {
            bootstrap_servers: Vec::new(),
            username: None,
            password: None,
            security: BTreeMap::new(),
            client_id: "milena".to_owned(),
            group_id: None,
            topic_prefix: String::new(),
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
            partition_buffer_bytes: 4 << 20,
            dead_letter_record_bytes: (1 << 20) - 1024,
            dead_letter_create_topic: true,
        };
        ConfigBuilder {
            config,
            from_url: None,
            first_error: None,
        }
    }

    /// `host:port` pairs separated by commas; the port is 9092 when left out.
    pub fn bootstrap_servers(self, servers: impl AsRef<str>) -> ConfigBuilder {
        self.set("bootstrap.servers", servers.as_ref())
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
    pub fn auto_offset_reset(mut self, reset: OffsetReset) -> ConfigBuilder {
        self.config.auto_offset_reset = reset;
        self
    }

    /// How published batches are compressed; not at all by default.
    pub fn compression(mut self, compression: Compression) -> ConfigBuilder {
        self.config.compression = compression;
        self
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

    /// How long a publish waits for more records to share its batch; 5 ms by default.
    pub fn linger(self, linger: Duration) -> ConfigBuilder {
        self.set_ms("linger.ms", linger)
    }

    /// Sets any setting by name (Kafka's `session.timeout.ms` or `session_timeout_ms`).
    pub fn set(mut self, name: &str, value: &str) -> ConfigBuilder {
        match settings::find(name) {
            Some(setting) => self.apply(setting, setting.name, value),
            None => self.fail(ConfigError::Unknown {
                name: name.to_owned(),
                nearest: settings::nearest(name),
            }),
        }
        self
    }

    /// Takes servers, credentials and settings from a `kafka://` URL.
    pub fn url(mut self, text: &str) -> ConfigBuilder {
        let parts = match url::split(text) {
            Ok(parts) => parts,
            Err(error) => {
                self.fail(error);
                return self;
            }
        };
        match servers::parse_servers(&parts.servers) {
            Some(servers) => {
                let credentials = parts
                    .credentials
                    .map(|(user, password)| (user, Secret::new(password)));
                self.from_url = Some(UrlOverride {
                    servers,
                    credentials,
                });
            }
            None => self.fail(ConfigError::Invalid {
                field: "url".to_owned(),
                value: parts.servers,
                allowed: servers::SERVERS_ALLOWED.to_owned(),
            }),
        }
        for (name, value) in parts.settings {
            self = self.set(&name, &value);
        }
        self
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
    /// ours are left alone; one that only looks like a misspelt setting is logged.
    pub fn variables(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> ConfigBuilder {
        for (name, value) in variables {
            if name == "MILENA_URL" {
                self = self.url(&value);
                continue;
            }
            let Some(suffix) = name.strip_prefix("MILENA_") else {
                continue;
            };
            let suffix = suffix.to_ascii_lowercase();
            if let Some(setting) = settings::find(&suffix) {
                self.apply(setting, &name, &value);
            } else if let Some(nearest) = settings::nearest(&suffix) {
                tracing::warn!(event = "config_unknown_variable", variable = %name, nearest);
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
        if let Some(from_url) = self.from_url {
            self.config.bootstrap_servers = from_url.servers;
            if let Some((user, password)) = from_url.credentials {
                self.config.username = Some(user);
                self.config.password = Some(password);
            }
        }
        check_credentials(&self.config)?;
        check_timeouts(&self.config)?;
        self.config.security_config()?;
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
        Ok(self.config)
    }

    fn set_ms(self, name: &str, duration: Duration) -> ConfigBuilder {
        self.set(name, &duration.as_millis().to_string())
    }

    fn apply(&mut self, setting: &Setting, field: &str, value: &str) {
        if (setting.apply)(&mut self.config, value.trim()).is_none() {
            let shown = if setting.is_secret { MASK } else { value };
            self.fail(ConfigError::Invalid {
                field: field.to_owned(),
                value: shown.to_owned(),
                allowed: setting.allowed.to_owned(),
            });
        }
    }

    fn fail(&mut self, error: ConfigError) {
        self.first_error.get_or_insert(error);
    }
}

fn check_credentials(config: &Config) -> Result<(), ConfigError> {
    let problem = match (&config.username, &config.password) {
        (Some(_), None) => Some(("password", "a username is set, so a password is needed")),
        (None, Some(_)) => Some(("username", "a password is set, so a username is needed")),
        _ => None,
    };
    problem.map_or(Ok(()), |(field, problem)| conflict(field, problem))
}

fn check_timeouts(config: &Config) -> Result<(), ConfigError> {
    if config.revocation_timeout > config.rebalance_timeout {
        return conflict(
            "revocation.timeout.ms",
            "it must not exceed max.poll.interval.ms, after which the group goes on without us",
        );
    }
    if config.delivery_timeout < config.linger + config.request_timeout {
        return conflict(
            "delivery.timeout.ms",
            "it must be at least linger.ms + request.timeout.ms",
        );
    }
    Ok(())
}

fn conflict(field: &str, problem: &str) -> Result<(), ConfigError> {
    Err(ConfigError::Conflict {
        field: field.to_owned(),
        problem: problem.to_owned(),
    })
}
