//! The table of settings: one row each, with its name, what is allowed, how it is
//! read from text and how it is shown. The builder's `set`, the environment, the URL,
//! `Config::get` and `Debug` all go through it, so none of them can forget a setting.

use std::time::Duration;

use super::client_settings::{ALIASES, CLIENT_SETTINGS, SCALED};
use super::offset_reset;
use super::profile::PROFILES_ALLOWED;
use super::publisher;
use super::serializers::{self, SERIALIZERS_ALLOWED};
use super::servers::{SERVERS_ALLOWED, is_topic_byte, parse_servers};
use super::{Compression, Config, Secret, TopicPrefix};
use crate::telemetry::TRACE_MODES_ALLOWED;

/// What is shown in place of a secret.
pub(crate) const MASK: &str = "***";

/// One setting.
pub(crate) struct Setting {
    /// Kafka's property name where it has one; `_` and `.` are the same.
    pub(crate) name: &'static str,
    /// What a value may be, for the error message.
    pub(crate) allowed: &'static str,
    /// Stores the value; `None` when it is not allowed.
    pub(crate) apply: fn(&mut Config, &str) -> Option<()>,
    /// Shows the value, masked if secret; `None` when not set.
    pub(crate) read: fn(&Config) -> Option<String>,
    /// Whether the value must not appear in errors.
    pub(crate) is_secret: bool,
}

/// The setting of this name, written with dots or underscores, in our spelling or in Kafka's.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    let name = name.replace('_', ".");
    let scaled = SCALED.iter().map(|(alias, name, _)| (*alias, *name));
    let mut aliases = ALIASES.iter().copied().chain(scaled);
    let alias = aliases.find(|(alias, _)| *alias == name);
    let name = alias.map_or(name.as_str(), |(_, name)| name);
    let is_it = |own: &str| own == name || own.strip_prefix(publisher::PREFIX) == Some(name);
    all().find(|setting| is_it(setting.name))
}

/// What a value under this name is to be multiplied with, for names that have units of their own.
pub(crate) fn unit(name: &str) -> Option<u64> {
    let name = name.replace('_', ".");
    let mut scaled = SCALED.iter();
    let (_, _, unit) = scaled.find(|(alias, _, _)| *alias == name)?;
    Some(*unit)
}

/// Every setting: ours, then those that are the client's own.
pub(crate) fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS
        .iter()
        .chain(publisher::PUBLISHER_SETTINGS)
        .chain(CLIENT_SETTINGS.iter().map(|row| &row.setting))
}

/// The known name most like `name`, if any is close.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.replace('_', ".").to_ascii_lowercase();
    let scaled = SCALED.iter().map(|(alias, _, _)| *alias);
    let aliases = ALIASES.iter().map(|(alias, _)| *alias).chain(scaled);
    all()
        .map(|setting| setting.name)
        .chain(aliases)
        .map(|candidate| (strsim::damerau_levenshtein(candidate, &name), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len() / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

const TEXT: &str = "a text that is not empty";
pub(super) const POSITIVE_MS: &str = "a whole number of milliseconds from 1 to 86400000";
const ANY_MS: &str = "a whole number of milliseconds from 0 to 86400000";
const RETRIES_ALLOWED: &str = "a whole number from 1 to 2147483647; a producer without retries would lose messages, \
     and delivery.timeout.ms says how long it tries";
const BYTES: &str = "a whole number of bytes from 4096 to 1073741824";

macro_rules! milliseconds {
    ($name:literal, $($field:ident).+, $allowed:path, $least:literal) => {
        Setting {
            name: $name,
            allowed: $allowed,
            apply: |config, text| {
                config.$($field).+ = $crate::config::settings::parse_ms(text, $least)?;
                Some(())
            },
            read: |config| Some(config.$($field).+.as_millis().to_string()),
            is_secret: false,
        }
    };
}
pub(super) use milliseconds;

/// Taken because Kafka's clients have it; the type of a key or a value decides instead.
macro_rules! serializer {
    ($name:literal) => {
        Setting {
            name: $name,
            allowed: SERIALIZERS_ALLOWED,
            apply: |config, text| {
                let class = serializers::is_known(text).then(|| text.to_owned())?;
                config.client_properties.insert($name, class);
                Some(())
            },
            read: |config| config.client_properties.get($name).cloned(),
            is_secret: false,
        }
    };
}

macro_rules! byte_count {
    ($name:literal, $field:ident) => {
        Setting {
            name: $name,
            allowed: BYTES,
            apply: |config, text| {
                let bytes = text.parse().ok()?;
                config.$field = (4096..=1 << 30).contains(&bytes).then_some(bytes)?;
                Some(())
            },
            read: |config| Some(config.$field.to_string()),
            is_secret: false,
        }
    };
}

/// A property of the client's security, which the client checks.
macro_rules! security {
    ($name:literal, $is_secret:literal) => {
        Setting {
            name: $name,
            allowed: TEXT,
            apply: |config, text| {
                let value = Secret::new(non_empty(text)?);
                config.security.insert($name, value);
                Some(())
            },
            read: |config| {
                let value = config.security.get($name)?;
                let shown = if $is_secret { MASK } else { value.expose() };
                Some(shown.to_owned())
            },
            is_secret: $is_secret,
        }
    };
}

/// Every setting that is not the client's alone.
static SETTINGS: &[Setting] = &[
    Setting {
        name: "bootstrap.servers",
        allowed: SERVERS_ALLOWED,
        apply: |config, text| {
            config.bootstrap_servers = parse_servers(text)?;
            Some(())
        },
        read: |config| Some(config.bootstrap_servers.join(",")),
        is_secret: false,
    },
    Setting {
        name: "username",
        allowed: TEXT,
        apply: |config, text| {
            config.username = Some(non_empty(text)?);
            Some(())
        },
        read: |config| config.username.clone(),
        is_secret: false,
    },
    Setting {
        name: "password",
        allowed: TEXT,
        apply: |config, text| {
            config.password = Some(Secret::new(non_empty(text)?));
            Some(())
        },
        read: |config| config.password.as_ref().map(|_| MASK.to_owned()),
        is_secret: true,
    },
    security!("security.protocol", false),
    security!("sasl.mechanism", false),
    security!("sasl.jaas.config", true),
    security!("sasl.oauthbearer.token.endpoint.url", false),
    security!("sasl.oauthbearer.client.credentials.client.id", false),
    security!("sasl.oauthbearer.client.credentials.client.secret", true),
    security!("sasl.oauthbearer.scope", false),
    security!("sasl.oauthbearer.config", true),
    security!("enable.sasl.oauthbearer.unsecure.jwt", false),
    security!("ssl.truststore.location", false),
    security!("ssl.truststore.certificates", false),
    security!("ssl.keystore.location", false),
    security!("ssl.keystore.certificate.chain", false),
    security!("ssl.keystore.key", true),
    security!("ssl.ca.location", false),
    security!("ssl.certificate.location", false),
    security!("ssl.key.location", false),
    security!("ssl.endpoint.identification.algorithm", false),
    security!("enable.ssl.certificate.verification", false),
    security!("ssl.key.password", true),
    security!("ssl.keystore.password", true),
    security!("ssl.truststore.password", true),
    security!("ssl.keystore.type", false),
    security!("ssl.truststore.type", false),
    security!("sasl.oauthbearer.method", false),
    security!("sasl.oauthbearer.extensions", false),
    security!("https.ca.location", false),
    security!("https.ca.pem", false),
    Setting {
        name: "profile",
        allowed: PROFILES_ALLOWED,
        apply: |config, text| {
            config.profile = Some(text.parse().ok()?);
            Some(())
        },
        read: |config| config.profile.map(|profile| profile.to_string()),
        is_secret: false,
    },
    Setting {
        name: "client.id",
        allowed: TEXT,
        apply: |config, text| {
            config.client_id = non_empty(text)?;
            Some(())
        },
        read: |config| Some(config.client_id.clone()),
        is_secret: false,
    },
    Setting {
        name: "consumer.id",
        allowed: "a whole number from 0 to 4294967295",
        apply: |config, text| {
            config.consumer_id = Some(usize::try_from(text.parse::<u32>().ok()?).ok()?);
            Some(())
        },
        read: |config| config.consumer_id.map(|id| id.to_string()),
        is_secret: false,
    },
    Setting {
        name: "group.id",
        allowed: TEXT,
        apply: |config, text| {
            config.group_id = Some(non_empty(text)?);
            Some(())
        },
        read: |config| config.group_id.clone(),
        is_secret: false,
    },
    Setting {
        name: "topic.prefix",
        allowed: "at most 200 ASCII letters, digits, '.', '_' and '-'",
        apply: |config, text| {
            let is_legal = text.len() <= 200 && text.bytes().all(is_topic_byte);
            config.topic_prefix = is_legal.then(|| TopicPrefix::new(text))?;
            Some(())
        },
        read: |config| Some(config.topic_prefix.as_str().to_owned()),
        is_secret: false,
    },
    Setting {
        name: "auto.offset.reset",
        allowed: offset_reset::ALLOWED,
        apply: |config, text| {
            config.auto_offset_reset = offset_reset::parse(text)?;
            Some(())
        },
        read: |config| Some(offset_reset::text(config.auto_offset_reset)),
        is_secret: false,
    },
    // An application commits what is handled, either way.
    Setting {
        name: "enable.auto.commit",
        allowed: "true or false",
        apply: |config, text| {
            config.enable_auto_commit = text.parse().ok()?;
            Some(())
        },
        read: |config| Some(config.enable_auto_commit.to_string()),
        is_secret: false,
    },
    Setting {
        name: "compression.type",
        allowed: "none, gzip, snappy, lz4 or zstd",
        apply: |config, text| {
            config.compression = text.parse::<Compression>().ok()?;
            Some(())
        },
        read: |config| Some(config.compression.to_string()),
        is_secret: false,
    },
    // How long is tried is for delivery.timeout.ms to say.
    Setting {
        name: "retries",
        allowed: RETRIES_ALLOWED,
        apply: |config, text| {
            let retries: i32 = text.parse().ok()?;
            let retries = (retries > 0).then(|| retries.to_string())?;
            config.client_properties.insert("retries", retries);
            Some(())
        },
        read: |config| {
            let set = config.client_properties.get("retries").cloned();
            Some(set.unwrap_or_else(|| i32::MAX.to_string()))
        },
        is_secret: false,
    },
    serializer!("key.serializer"),
    serializer!("value.serializer"),
    serializer!("key.deserializer"),
    serializer!("value.deserializer"),
    milliseconds!("linger.ms", linger, ANY_MS, 0),
    milliseconds!(
        "socket.connection.setup.timeout.ms",
        connect_timeout,
        POSITIVE_MS,
        1
    ),
    milliseconds!("request.timeout.ms", request_timeout, POSITIVE_MS, 1),
    milliseconds!("delivery.timeout.ms", delivery_timeout, POSITIVE_MS, 1),
    milliseconds!("session.timeout.ms", session_timeout, POSITIVE_MS, 1),
    milliseconds!("max.poll.interval.ms", rebalance_timeout, POSITIVE_MS, 1),
    milliseconds!("commit.interval.ms", commit_interval, POSITIVE_MS, 1),
    milliseconds!("revocation.timeout.ms", revocation_timeout, POSITIVE_MS, 1),
    milliseconds!("shutdown.timeout.ms", shutdown_timeout, POSITIVE_MS, 1),
    milliseconds!("flush.timeout.ms", flush_timeout, POSITIVE_MS, 1),
    Setting {
        name: "start.attempts",
        allowed: "a whole number from 1 to 1000000",
        apply: |config, text| {
            let attempts = text.parse().ok()?;
            config.start_attempts = (1..=1_000_000).contains(&attempts).then_some(attempts)?;
            Some(())
        },
        read: |config| Some(config.start_attempts.to_string()),
        is_secret: false,
    },
    milliseconds!("start.backoff.ms", start_backoff, POSITIVE_MS, 1),
    milliseconds!("start.backoff.max.ms", start_backoff_max, POSITIVE_MS, 1),
    milliseconds!("poll.timeout.ms", poll_timeout, ANY_MS, 0),
    milliseconds!("health.interval.ms", health_interval, POSITIVE_MS, 1),
    milliseconds!(
        "health.stuck.timeout.ms",
        health_stuck_timeout,
        POSITIVE_MS,
        1
    ),
    milliseconds!("health.grace.ms", health_grace, ANY_MS, 0),
    Setting {
        name: "health.address",
        allowed: "an IP address and a port, as in 127.0.0.1:8080",
        apply: |config, text| {
            config.health_address = Some(text.parse().ok()?);
            Some(())
        },
        read: |config| config.health_address.map(|address| address.to_string()),
        is_secret: false,
    },
    byte_count!("partition.buffer.bytes", partition_buffer_bytes),
    byte_count!("dead.letter.record.bytes", dead_letter_record_bytes),
    Setting {
        name: "dead.letter.create.topic",
        allowed: "true or false",
        apply: |config, text| {
            config.dead_letter_create_topic = text.parse().ok()?;
            Some(())
        },
        read: |config| Some(config.dead_letter_create_topic.to_string()),
        is_secret: false,
    },
    Setting {
        name: "trace.context",
        allowed: TRACE_MODES_ALLOWED,
        apply: |config, text| {
            config.trace_mode = text.parse().ok()?;
            Some(())
        },
        read: |config| Some(config.trace_mode.to_string()),
        is_secret: false,
    },
];

fn non_empty(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

pub(super) fn parse_ms(text: &str, least: u64) -> Option<Duration> {
    let ms: u64 = text.parse().ok()?;
    (least..=86_400_000)
        .contains(&ms)
        .then(|| Duration::from_millis(ms))
}
