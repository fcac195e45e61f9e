//! What the client makes of the settings: its own checked configurations.

use std::collections::BTreeMap;

use milena_client::config::Properties;
use milena_client::consumer::ConsumerConfig;
use milena_client::producer::ProducerConfig;
use milena_client::security::{SaslConfig, TlsConfig};
use milena_client::{ClientConfig, Error};

use super::client_settings::{CLIENT_SETTINGS, Part};
use super::{Config, ConfigError, settings};

/// Settings of ours that the client has under the same names.
const SHARED_WITH_CLIENT: &[&str] = &[
    "bootstrap.servers",
    "client.id",
    "socket.connection.setup.timeout.ms",
    "request.timeout.ms",
];
const SHARED_WITH_PRODUCER: &[&str] = &[
    "linger.ms",
    "compression.type",
    "request.timeout.ms",
    "delivery.timeout.ms",
];
const SHARED_WITH_CONSUMER: &[&str] = &[
    "group.id",
    "auto.offset.reset",
    "session.timeout.ms",
    "max.poll.interval.ms",
];

impl Config {
    /// The configuration of a client.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, ConfigError> {
        let mut properties = self.properties(Part::Client, SHARED_WITH_CLIENT);
        let taken = ClientConfig::take_from(&mut properties);
        let mut config = taken.map_err(|error| self.refused(error, "bootstrap.servers"))?;
        let (tls, sasl) = self.security_config()?;
        if let Some(tls) = tls {
            config = config.tls(tls);
        }
        if let Some(sasl) = sasl {
            config = config.sasl(sasl);
        }
        Ok(config)
    }

    /// The configuration of a producer.
    pub(crate) fn producer_config(&self) -> Result<ProducerConfig, ConfigError> {
        let mut properties = self.properties(Part::Producer, SHARED_WITH_PRODUCER);
        ProducerConfig::take_from(&mut properties).map_err(|error| self.refused(error, "acks"))
    }

    /// The configuration of a producer whose records count once their transaction is committed.
    pub(crate) fn transactional_config(&self) -> Result<ProducerConfig, ConfigError> {
        let settings = self.settings(Part::Producer, SHARED_WITH_PRODUCER);
        let further = self.settings(Part::Transaction, &[]);
        let mut properties = Properties::new(settings.chain(further));
        ProducerConfig::take_from(&mut properties)
            .map_err(|error| self.refused(error, "transactional.id"))
    }

    /// The configuration of a consumer.
    pub(crate) fn consumer_config(&self) -> Result<ConsumerConfig, ConfigError> {
        let mut properties = self.properties(Part::Consumer, SHARED_WITH_CONSUMER);
        let taken = ConsumerConfig::take_from(&mut properties);
        taken.map_err(|error| self.refused(error, "group.id"))
    }

    /// What the client makes of the security settings. Who gives a user and a password, and says
    /// no more, gets the protocol and the mechanism of most hosted clusters, and never sends a
    /// password in the clear.
    pub(crate) fn security_config(
        &self,
    ) -> Result<(Option<TlsConfig>, Option<SaslConfig>), ConfigError> {
        if let Some(tokens) = &self.tokens {
            return self.security_with(tokens);
        }
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
        milena_client::config::security(properties)
            .map_err(|error| self.refused(error, "security.protocol"))
    }

    fn properties(&self, part: Part, shared: &[&'static str]) -> Properties {
        Properties::new(self.settings(part, shared))
    }

    fn settings(
        &self,
        part: Part,
        shared: &[&'static str],
    ) -> impl Iterator<Item = (&'static str, String)> {
        let own = CLIENT_SETTINGS
            .iter()
            .filter(move |row| row.part == part && self.is_of_use(row.setting.name))
            .filter_map(|row| self.client_properties.get_key_value(row.setting.name))
            .map(|(name, value)| (*name, value.clone()));
        let shared = shared
            .iter()
            .filter_map(|name| Some((*name, self.get(name)?)));
        own.chain(shared)
            .map(|(name, value)| (name, self.numbered(name, value)))
    }

    /// Levels of codecs that are not the one in use say nothing.
    fn is_of_use(&self, name: &str) -> bool {
        let codec = name.strip_prefix("compression.");
        let codec = codec.and_then(|rest| rest.strip_suffix(".level"));
        codec.is_none_or(|codec| self.compression.to_string() == codec)
    }

    /// Says what the client refused, and where it came from; `subject` for what has no field.
    pub(super) fn refused(&self, error: Error, subject: &str) -> ConfigError {
        match error {
            Error::Config {
                field,
                value,
                expected,
            } => ConfigError::Invalid {
                origin: settings::find(&field)
                    .map(|setting| self.origin_of(setting.name))
                    .unwrap_or_default(),
                field,
                value,
                allowed: expected
                    .strip_prefix("expected ")
                    .unwrap_or(&expected)
                    .to_owned(),
            },
            other => ConfigError::Conflict {
                field: subject.to_owned(),
                problem: other.to_string(),
            },
        }
    }
}
