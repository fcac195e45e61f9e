//! What producers, consumers and admin share: where the cluster is, and how patient to be with it.

use std::time::Duration;

use milena_wire::limits::FRAME_BYTES_MAX;

use super::address::BrokerAddress;
use super::property::{Configurable, Properties, Property, read_all, split_list};
use super::security::SecurityProperties;
use crate::error::Error;
use crate::security::{SaslConfig, TlsConfig};

/// Settings of a [`Client`](crate::Client). Start from [`ClientConfig::new`], change what should
/// differ; [`Client::new`](crate::Client::new) checks it.
///
/// ```
/// # use milena_client::ClientConfig;
/// # use std::time::Duration;
/// let config = ClientConfig::new("localhost:9092")
///     .client_id("billing")
///     .request_timeout(Duration::from_secs(10));
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct ClientConfig {
    pub(crate) bootstrap_servers: Vec<String>,
    pub(crate) client_id: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) metadata_max_age: Duration,
    pub(crate) reconnect_backoff: Duration,
    pub(crate) reconnect_backoff_max: Duration,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
    pub(crate) connections_idle_max: Duration,
    pub(crate) receive_frame_bytes_max: usize,
    pub(crate) allow_auto_create_topics: bool,
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) sasl: Option<SaslConfig>,
}

impl ClientConfig {
    /// Settings with Kafka's defaults for the cluster that `bootstrap_servers` leads to:
    /// comma-separated `host:port`; one that answers is enough to find the others.
    pub fn new(bootstrap_servers: &str) -> Self {
        Self {
            bootstrap_servers: split_list(bootstrap_servers),
            client_id: "milena".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            metadata_max_age: Duration::from_secs(300),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(10),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            connections_idle_max: Duration::from_secs(540),
            receive_frame_bytes_max: FRAME_BYTES_MAX,
            allow_auto_create_topics: true,
            tls: None,
            sasl: None,
        }
    }

    /// The settings that `properties` hold under Kafka's or librdkafka's names, and defaults for the
    /// rest.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that is not allowed, a missing `bootstrap.servers`, and any name
    /// that is not a client setting, with the nearest one that is. To read a map that holds settings of
    /// producers and consumers as well, see [`Properties`].
    pub fn from_properties<K, V>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, Error>
    where
        K: Into<String>,
        V: Into<String>,
    {
        read_all(properties, Self::take_from)
    }

    /// As [`ClientConfig::from_properties`], but leaves the names it does not know to the others.
    ///
    /// # Errors
    /// [`Error::Config`] as above, save for unknown names.
    pub fn take_from(properties: &mut Properties) -> Result<Self, Error> {
        let mut config = Self::new("");
        properties.take_into(&mut config)?;
        let mut security = SecurityProperties::default();
        properties.take_into(&mut security)?;
        (config.tls, config.sasl) = security.build()?;
        config.validate()?;
        Ok(config)
    }

    /// `client.id`: the name brokers log and apply quotas by. Default `milena`.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// `socket.connection.setup.timeout.ms`: how long a TCP connection and the handshake on it may
    /// take, over all addresses of a host. Default 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// `request.timeout.ms`: how long a request may wait for its answer before its connection is given
    /// up. Default 30 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// `metadata.max.age.ms`: how old the picture of the cluster may get. Default 5 min.
    pub fn metadata_max_age(mut self, age: Duration) -> Self {
        self.metadata_max_age = age;
        self
    }

    /// `reconnect.backoff.ms` and `reconnect.backoff.max.ms`: the pause before a broker is dialled
    /// again, doubling, ±20 %. Default 50 ms to 10 s.
    pub fn reconnect_backoff(mut self, first: Duration, max: Duration) -> Self {
        self.reconnect_backoff = first;
        self.reconnect_backoff_max = max;
        self
    }

    /// `retry.backoff.ms` and `retry.backoff.max.ms`: the pause before a failed request is tried again,
    /// doubling, ±20 %. Default 100 ms to 1 s.
    pub fn retry_backoff(mut self, first: Duration, max: Duration) -> Self {
        self.retry_backoff = first;
        self.retry_backoff_max = max;
        self
    }

    /// `connections.max.idle.ms`: when an unused connection is closed. Default 9 min.
    pub fn connections_idle_max(mut self, idle: Duration) -> Self {
        self.connections_idle_max = idle;
        self
    }

    /// `receive.message.max.bytes`: the largest response that is read. Default 100 MiB.
    pub fn receive_frame_bytes_max(mut self, bytes: usize) -> Self {
        self.receive_frame_bytes_max = bytes;
        self
    }

    /// `allow.auto.create.topics`: whether asking for an unknown topic to produce to may create it, if
    /// the cluster allows that. Default true.
    pub fn allow_auto_create_topics(mut self, allow: bool) -> Self {
        self.allow_auto_create_topics = allow;
        self
    }

    /// `security.protocol=SSL`, or `SASL_SSL` together with [`ClientConfig::sasl`]: connections are
    /// encrypted. By default they are not.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// `security.protocol=SASL_PLAINTEXT`, or `SASL_SSL` together with [`ClientConfig::tls`]:
    /// connections are authenticated. By default they are not.
    pub fn sasl(mut self, sasl: SaslConfig) -> Self {
        self.sasl = Some(sasl);
        self
    }

    /// Checks every setting, and those that depend on one another.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that does not fit, its value and what is allowed.
    pub fn validate(&self) -> Result<(), Error> {
        self.bootstrap_addresses()?;
        for (field, duration) in [
            ("socket.connection.setup.timeout.ms", self.connect_timeout),
            ("request.timeout.ms", self.request_timeout),
            ("metadata.max.age.ms", self.metadata_max_age),
            ("reconnect.backoff.ms", self.reconnect_backoff),
            ("retry.backoff.ms", self.retry_backoff),
            ("connections.max.idle.ms", self.connections_idle_max),
        ] {
            check_duration(field, duration)?;
        }
        check_order(
            "reconnect.backoff.max.ms",
            self.reconnect_backoff,
            self.reconnect_backoff_max,
        )?;
        check_order(
            "retry.backoff.max.ms",
            self.retry_backoff,
            self.retry_backoff_max,
        )?;
        if !(FRAME_BYTES_MIN..=FRAME_BYTES_CEILING).contains(&self.receive_frame_bytes_max) {
            return Err(Error::config(
                "receive.message.max.bytes",
                self.receive_frame_bytes_max.to_string(),
                format!("expected {FRAME_BYTES_MIN} to {FRAME_BYTES_CEILING} bytes"),
            ));
        }
        if let Some(field) = self.sasl.as_ref().and_then(SaslConfig::missing) {
            return Err(Error::config(field, "", "a text that is not empty"));
        }
        if self.client_id.len() > CLIENT_ID_BYTES_MAX {
            return Err(Error::config(
                "client.id",
                self.client_id.clone(),
                format!("expected at most {CLIENT_ID_BYTES_MAX} bytes"),
            ));
        }
        Ok(())
    }

    /// The addresses of `bootstrap.servers`; at least one.
    pub(crate) fn bootstrap_addresses(&self) -> Result<Vec<BrokerAddress>, Error> {
        if self.bootstrap_servers.is_empty() {
            return Err(Error::config(
                "bootstrap.servers",
                "",
                "expected at least one host:port, such as localhost:9092",
            ));
        }
        self.bootstrap_servers
            .iter()
            .map(|text| BrokerAddress::parse(text))
            .collect()
    }
}

impl Configurable for ClientConfig {
    const PROPERTIES: &'static [Property<Self>] = &[
        Property::new(
            &["bootstrap.servers", "metadata.broker.list"],
            |config, value| {
                config.bootstrap_servers = value.list();
                Ok(())
            },
        ),
        Property::new(&["client.id"], |config, value| {
            config.client_id = value.text().to_owned();
            Ok(())
        }),
        Property::new(&["socket.connection.setup.timeout.ms"], |config, value| {
            config.connect_timeout = value.milliseconds()?;
            Ok(())
        }),
        Property::new(
            &["request.timeout.ms", "socket.timeout.ms"],
            |config, value| {
                config.request_timeout = value.milliseconds()?;
                Ok(())
            },
        ),
        Property::new(
            &["metadata.max.age.ms", "topic.metadata.refresh.interval.ms"],
            |config, value| {
                config.metadata_max_age = value.milliseconds()?;
                Ok(())
            },
        ),
        Property::new(&["reconnect.backoff.ms"], |config, value| {
            config.reconnect_backoff = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["reconnect.backoff.max.ms"], |config, value| {
            config.reconnect_backoff_max = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["retry.backoff.ms"], |config, value| {
            config.retry_backoff = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["retry.backoff.max.ms"], |config, value| {
            config.retry_backoff_max = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["connections.max.idle.ms"], |config, value| {
            config.connections_idle_max = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["receive.message.max.bytes"], |config, value| {
            config.receive_frame_bytes_max = value.bytes()?;
            Ok(())
        }),
        Property::new(&["allow.auto.create.topics"], |config, value| {
            config.allow_auto_create_topics = value.boolean()?;
            Ok(())
        }),
    ];
}

/// Below this not even a handshake fits.
const FRAME_BYTES_MIN: usize = 1024;
/// A frame's length is a signed 32-bit number.
const FRAME_BYTES_CEILING: usize = i32::MAX as usize;
/// The client id travels in every request header.
const CLIENT_ID_BYTES_MAX: usize = 255;
/// Longer than any sensible wait, short enough for every clock to add.
const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

fn check_duration(field: &str, duration: Duration) -> Result<(), Error> {
    if duration < Duration::from_millis(1) || duration > DURATION_MAX {
        let expected = format!("expected 1 to {} milliseconds", DURATION_MAX.as_millis());
        return Err(Error::config(
            field,
            duration.as_millis().to_string(),
            expected,
        ));
    }
    Ok(())
}

fn check_order(field: &str, first: Duration, max: Duration) -> Result<(), Error> {
    if max < first || max > DURATION_MAX {
        let expected = format!(
            "expected at least the first pause, {} ms, and at most {} ms",
            first.as_millis(),
            DURATION_MAX.as_millis()
        );
        return Err(Error::config(field, max.as_millis().to_string(), expected));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
