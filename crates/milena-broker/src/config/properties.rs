//! Kafka's property names and how each one is read.
//!
//! Owns the table of names. An unknown name is an error that names the nearest one.

use std::str::FromStr;
use std::time::Duration;

use super::topic::{TopicProperty, ValueType, in_topic_unit};
use super::{BrokerConfig, SecurityProperties, listeners};
use crate::coordinator::consumer_group::ServerAssignor;
use crate::error::BrokerError;
use crate::limits;

/// Sets one property; the reason says what a good value looks like.
type Setter = fn(&mut BrokerConfig, &str) -> Result<(), String>;

macro_rules! properties {
    ($($name:literal => $field:ident = |$value:ident| $parse:expr;)*) => {
        &[$(($name, |config, $value| {
            config.$field = $parse;
            Ok(())
        }),)*]
    };
}

const PROPERTIES: &[(&str, Setter)] = properties! {
    "advertised.listeners" => advertised = |value| listeners::listeners(value)?;
    "allow.everyone.if.no.acl.found" => allow_if_no_acl = |value| boolean(value)?;
    "auto.create.topics.enable" => auto_create_topics = |value| boolean(value)?;
    "authorizer.class.name" => has_authorizer = |value| authorizer(value)?;
    "broker.id" => node_id = |value| within(value, 0, i32::MAX)?;
    "broker.rack" => rack = |value| Some(value.to_owned());
    "connections.max.idle.ms" => connection_idle_max = |value| milliseconds(value)?;
    "delete.topic.enable" => delete_topics = |value| boolean(value)?;
    "fetch.max.bytes" => fetch_bytes_max = |value| within(value, 1024, i32::MAX as usize)?;
    "group.consumer.assignors" => consumer_assignors = |value| assignors(value)?;
    "group.consumer.heartbeat.interval.ms" => consumer_heartbeat_interval = |value| positive_milliseconds(value)?;
    "group.consumer.max.size" => consumer_group_members_max = |value| within(value, 1, i32::MAX as usize)?;
    "group.consumer.session.timeout.ms" => consumer_session_timeout = |value| positive_milliseconds(value)?;
    "group.initial.rebalance.delay.ms" => group_initial_rebalance_delay = |value| milliseconds(value)?;
    "group.max.session.timeout.ms" => group_session_timeout_max = |value| milliseconds(value)?;
    "group.max.size" => group_members_max = |value| within(value, 1, 1_000_000)?;
    "group.min.session.timeout.ms" => group_session_timeout_min = |value| milliseconds(value)?;
    "listener.security.protocol.map" => protocols = |value| listeners::protocol_map(value)?;
    "listeners" => listeners = |value| listeners::listeners(value)?;
    "log.cleaner.backoff.ms" => compaction_interval = |value| positive_milliseconds(value)?;
    "log.flush.interval.ms" => flush_interval = |value| Some(positive_milliseconds(value)?);
    "log.flush.offset.checkpoint.interval.ms" => checkpoint_interval = |value| positive_milliseconds(value)?;
    "log.retention.check.interval.ms" => retention_check_interval = |value| positive_milliseconds(value)?;
    "max.connections" => connections_max = |value| within(value, 1, i32::MAX as usize)?;
    "max.incremental.fetch.session.cache.slots" => fetch_sessions_max = |value| within(value, 0, 1_000_000)?;
    "node.id" => node_id = |value| within(value, 0, i32::MAX)?;
    "num.partitions" => partitions_default = |value| within(value, 1, limits::PARTITIONS_PER_TOPIC_MAX)?;
    "offset.metadata.max.bytes" => offset_metadata_bytes_max = |value| within(value, 0, i16::MAX as usize)?;
    "offsets.retention.minutes" => offsets_retention = |value| Duration::from_secs(within(value, 1, i32::MAX as u64)? * 60);
    "producer.id.expiration.ms" => producer_id_expiration = |value| positive_milliseconds(value)?;
    "quota.window.num" => quota_windows = |value| within(value, 1, 1_000)?;
    "quota.window.size.seconds" => quota_window = |value| Duration::from_secs(within(value, 1, 86_400)?);
    "socket.request.max.bytes" => request_bytes_max = |value| within(value, 1024, i32::MAX as usize)?;
    "super.users" => super_users = |value| super_users(value)?;
    "transaction.max.timeout.ms" => transaction_timeout_max = |value| milliseconds(value)?;
    "transaction.partition.verification.enable" => verifies_transactions = |value| boolean(value)?;
    "transaction.version" => transaction_version = |value| within(value, 0, 2)?;
    "transactional.id.expiration.ms" => transactional_id_expiration = |value| positive_milliseconds(value)?;
};

/// The authorizer of Apache Kafka in KRaft mode.
const STANDARD_AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// Names further from every known one than this get no suggestion.
const SIMILARITY_MIN: f64 = 0.7;

/// Properties that are told when a broker is described, with their types and defaults, besides those
/// that stand in for topic properties. None is secret.
pub(crate) const DESCRIBED: &[(&str, ValueType, &str)] = &[
    ("auto.create.topics.enable", ValueType::Boolean, "true"),
    ("broker.id", ValueType::Int, "1"),
    ("broker.rack", ValueType::String, ""),
    ("connections.max.idle.ms", ValueType::Long, "600000"),
    ("default.replication.factor", ValueType::Int, "1"),
    ("delete.topic.enable", ValueType::Boolean, "true"),
    ("fetch.max.bytes", ValueType::Int, "57671680"),
    ("group.consumer.assignors", ValueType::List, "uniform,range"),
    (
        "group.consumer.heartbeat.interval.ms",
        ValueType::Int,
        "5000",
    ),
    ("group.consumer.max.size", ValueType::Int, "2147483647"),
    ("group.consumer.session.timeout.ms", ValueType::Int, "45000"),
    ("group.initial.rebalance.delay.ms", ValueType::Int, "0"),
    ("group.max.session.timeout.ms", ValueType::Int, "1800000"),
    ("group.max.size", ValueType::Int, "5000"),
    ("group.min.session.timeout.ms", ValueType::Int, "6000"),
    ("log.cleaner.backoff.ms", ValueType::Long, "15000"),
    ("log.retention.check.interval.ms", ValueType::Long, "300000"),
    ("max.connections", ValueType::Int, "10000"),
    ("node.id", ValueType::Int, "1"),
    ("num.partitions", ValueType::Int, "1"),
    ("offset.metadata.max.bytes", ValueType::Int, "4096"),
    ("offsets.retention.minutes", ValueType::Int, "10080"),
    ("producer.id.expiration.ms", ValueType::Int, "86400000"),
    ("quota.window.num", ValueType::Int, "11"),
    ("quota.window.size.seconds", ValueType::Int, "1"),
    ("socket.request.max.bytes", ValueType::Int, "104857600"),
];

/// The names of all broker properties, sorted. Those of TLS and SASL may have
/// `listener.name.LISTENER.` and `MECHANISM.` before them.
pub fn property_names() -> impl Iterator<Item = &'static str> {
    let own = PROPERTIES.iter().map(|(name, _)| *name);
    let others = TopicProperty::broker_names().chain(SecurityProperties::names());
    let mut names: Vec<&'static str> = own.chain(others).collect();
    names.sort_unstable();
    names.into_iter()
}

/// Sets one property by Kafka's name for it.
pub(crate) fn apply(config: &mut BrokerConfig, name: &str, value: &str) -> Result<(), BrokerError> {
    let (name, value) = (name.trim(), value.trim());
    let outcome = if let Some((property, factor)) = TopicProperty::behind(name) {
        property.check(&in_topic_unit(value, factor))
    } else if let Some((_, set)) = PROPERTIES.iter().find(|(known, _)| *known == name) {
        set(config, value)
    } else if let Some(outcome) = config.security.set(name, value) {
        outcome
    } else {
        return Err(BrokerError::UnknownProperty {
            name: name.to_owned(),
            nearest: nearest_broker(name),
        });
    };
    let is_secret = SecurityProperties::is_secret(name);
    outcome.map_err(|reason| BrokerError::InvalidProperty {
        name: name.to_owned(),
        value: if is_secret { "***" } else { value }.to_owned(),
        reason,
    })?;
    let is_told = DESCRIBED.iter().any(|(told, ..)| *told == name);
    if is_told || TopicProperty::behind(name).is_some() {
        config.given.insert(name.to_owned(), value.to_owned());
    }
    Ok(())
}

/// The known broker property whose name is most like `name`.
pub(crate) fn nearest_broker(name: &str) -> Option<String> {
    nearest_of(property_names(), name)
}

/// The one of `known` that is most like `name`, if any is like it at all.
pub(super) fn nearest_of(known: impl Iterator<Item = &'static str>, name: &str) -> Option<String> {
    known
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known.to_owned())
}

pub(super) fn within<T>(value: &str, min: T, max: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let expected = || format!("a number from {min} to {max} is expected");
    let number: T = value.parse().map_err(|_| expected())?;
    if number < min || number > max {
        Err(expected())
    } else {
        Ok(number)
    }
}

pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false is expected".to_owned()),
    }
}

/// Apache Kafka's class stands for ours; nothing else can be loaded.
fn authorizer(value: &str) -> Result<bool, String> {
    match value {
        "" => Ok(false),
        STANDARD_AUTHORIZER => Ok(true),
        _ => Err(format!("{STANDARD_AUTHORIZER} is expected, or nothing")),
    }
}

/// `User:one;User:two`
fn super_users(value: &str) -> Result<Vec<String>, String> {
    let users = value
        .split(';')
        .map(str::trim)
        .filter(|user| !user.is_empty());
    let users: Vec<String> = users.map(str::to_owned).collect();
    if users.iter().all(|user| user.starts_with("User:")) {
        Ok(users)
    } else {
        Err("User:NAME;User:NAME;… is expected".to_owned())
    }
}

fn milliseconds(value: &str) -> Result<Duration, String> {
    within(value, 0, i32::MAX as u64).map(Duration::from_millis)
}

fn positive_milliseconds(value: &str) -> Result<Duration, String> {
    within(value, 1, i64::MAX as u64).map(Duration::from_millis)
}

/// −1 stands for no limit.
pub(super) fn unlimited(value: &str) -> Result<Option<u64>, String> {
    let number = within(value, -1, i64::MAX)?;
    Ok(u64::try_from(number).ok())
}

/// Names of assignors, or their classes in Apache Kafka.
fn assignors(value: &str) -> Result<Vec<ServerAssignor>, String> {
    let parse = |name: &str| match name.trim().rsplit('.').next().unwrap_or(name) {
        "UniformAssignor" => Some(ServerAssignor::Uniform),
        "RangeAssignor" => Some(ServerAssignor::Range),
        name => ServerAssignor::from_name(name),
    };
    let known: Option<Vec<ServerAssignor>> = value.split(',').map(parse).collect();
    let known = known.filter(|known| !known.is_empty());
    known.ok_or_else(|| "a list of uniform, range is expected".to_owned())
}
