//! Kafka's property names and how each one is read.
//!
//! Owns the table of names. An unknown name is an error that names the nearest one.

use std::str::FromStr;
use std::time::Duration;

use milena_wire::batch::TimestampType;

use super::BrokerConfig;
use crate::error::BrokerError;
use crate::limits;

/// Sets one property; the reason says what a good value looks like.
type Setter = fn(&mut BrokerConfig, &str) -> Result<(), String>;

const PROPERTIES: &[(&str, Setter)] = &[
    ("advertised.listeners", |c, v| {
        Ok(c.advertised = Some(listener(v)?))
    }),
    ("auto.create.topics.enable", |c, v| {
        Ok(c.auto_create_topics = boolean(v)?)
    }),
    ("broker.id", |c, v| Ok(c.node_id = within(v, 0, i32::MAX)?)),
    ("broker.rack", |c, v| Ok(c.rack = Some(v.to_owned()))),
    ("connections.max.idle.ms", |c, v| {
        Ok(c.connection_idle_max = milliseconds(v)?)
    }),
    ("delete.topic.enable", |c, v| {
        Ok(c.delete_topics = boolean(v)?)
    }),
    ("fetch.max.bytes", |c, v| {
        Ok(c.fetch_bytes_max = within(v, 1024, i32::MAX as usize)?)
    }),
    ("group.initial.rebalance.delay.ms", |c, v| {
        Ok(c.group_initial_rebalance_delay = milliseconds(v)?)
    }),
    ("group.max.session.timeout.ms", |c, v| {
        Ok(c.group_session_timeout_max = milliseconds(v)?)
    }),
    ("group.max.size", |c, v| {
        Ok(c.group_members_max = within(v, 1, 1_000_000)?)
    }),
    ("group.min.session.timeout.ms", |c, v| {
        Ok(c.group_session_timeout_min = milliseconds(v)?)
    }),
    ("log.flush.interval.messages", |c, v| {
        Ok(c.flush_interval_messages = within(v, 1, u64::MAX)?)
    }),
    ("log.flush.interval.ms", |c, v| {
        Ok(c.flush_interval = Some(positive_milliseconds(v)?))
    }),
    ("log.index.interval.bytes", |c, v| {
        Ok(c.index_interval_bytes = within(v, 0, 1 << 30)?)
    }),
    ("log.message.timestamp.after.max.ms", |c, v| {
        Ok(c.timestamp_after_max_ms = within(v, 0, i64::MAX)?)
    }),
    ("log.message.timestamp.before.max.ms", |c, v| {
        Ok(c.timestamp_before_max_ms = within(v, 0, i64::MAX)?)
    }),
    ("log.message.timestamp.type", |c, v| {
        Ok(c.timestamp_type = timestamp_type(v)?)
    }),
    ("log.retention.bytes", |c, v| {
        Ok(c.retention_bytes = unlimited(v)?)
    }),
    ("log.retention.check.interval.ms", |c, v| {
        Ok(c.retention_check_interval = positive_milliseconds(v)?)
    }),
    ("log.retention.hours", |c, v| {
        Ok(c.retention_ms = retention(v, 60 * 60 * 1000)?)
    }),
    ("log.retention.minutes", |c, v| {
        Ok(c.retention_ms = retention(v, 60 * 1000)?)
    }),
    ("log.retention.ms", |c, v| {
        Ok(c.retention_ms = retention(v, 1)?)
    }),
    ("log.segment.bytes", |c, v| {
        Ok(c.segment_bytes = within(v, 1024, i32::MAX as u64)?)
    }),
    ("max.connections", |c, v| {
        Ok(c.connections_max = within(v, 1, i32::MAX as usize)?)
    }),
    ("max.incremental.fetch.session.cache.slots", |c, v| {
        Ok(c.fetch_sessions_max = within(v, 0, 1_000_000)?)
    }),
    ("message.max.bytes", |c, v| {
        Ok(c.batch_bytes_max = within(v, 61, i32::MAX as usize)?)
    }),
    ("node.id", |c, v| Ok(c.node_id = within(v, 0, i32::MAX)?)),
    ("num.partitions", |c, v| {
        Ok(c.partitions_default = within(v, 1, limits::PARTITIONS_PER_TOPIC_MAX)?)
    }),
    ("offset.metadata.max.bytes", |c, v| {
        Ok(c.offset_metadata_bytes_max = within(v, 0, i16::MAX as usize)?)
    }),
    ("offsets.retention.minutes", |c, v| {
        Ok(c.offsets_retention = Duration::from_secs(within(v, 1, i32::MAX as u64)? * 60))
    }),
    ("producer.id.expiration.ms", |c, v| {
        Ok(c.producer_id_expiration = positive_milliseconds(v)?)
    }),
    ("socket.request.max.bytes", |c, v| {
        Ok(c.request_bytes_max = within(v, 1024, i32::MAX as usize)?)
    }),
];

/// Names further from every known one than this get no suggestion.
const SIMILARITY_MIN: f64 = 0.7;

/// The names of all broker properties, sorted.
pub fn property_names() -> impl Iterator<Item = &'static str> {
    PROPERTIES.iter().map(|(name, _)| *name)
}

/// Sets one property by Kafka's name for it.
pub(crate) fn apply(config: &mut BrokerConfig, name: &str, value: &str) -> Result<(), BrokerError> {
    let (name, value) = (name.trim(), value.trim());
    let Some((_, set)) = PROPERTIES.iter().find(|(known, _)| *known == name) else {
        return Err(BrokerError::UnknownProperty {
            name: name.to_owned(),
            nearest: nearest(name),
        });
    };
    set(config, value).map_err(|reason| BrokerError::InvalidProperty {
        name: name.to_owned(),
        value: value.to_owned(),
        reason,
    })
}

fn nearest(name: &str) -> Option<String> {
    property_names()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known.to_owned())
}

fn within<T>(value: &str, min: T, max: T) -> Result<T, String>
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

fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false is expected".to_owned()),
    }
}

fn milliseconds(value: &str) -> Result<Duration, String> {
    within(value, 0, i32::MAX as u64).map(Duration::from_millis)
}

fn positive_milliseconds(value: &str) -> Result<Duration, String> {
    within(value, 1, i64::MAX as u64).map(Duration::from_millis)
}

/// −1 stands for no limit.
fn unlimited(value: &str) -> Result<Option<u64>, String> {
    let number = within(value, -1, i64::MAX)?;
    Ok(u64::try_from(number).ok())
}

fn retention(value: &str, unit_ms: i64) -> Result<Option<i64>, String> {
    let number = within(value, -1, i64::MAX)?;
    Ok((number >= 0).then(|| number.saturating_mul(unit_ms)))
}

fn timestamp_type(value: &str) -> Result<TimestampType, String> {
    match value {
        "CreateTime" => Ok(TimestampType::CreateTime),
        "LogAppendTime" => Ok(TimestampType::LogAppendTime),
        _ => Err("CreateTime or LogAppendTime is expected".to_owned()),
    }
}

/// `PLAINTEXT://host:port` or `host:port`.
fn listener(value: &str) -> Result<(String, u16), String> {
    let expected = || "PLAINTEXT://HOST:PORT is expected (one listener)".to_owned();
    let address = match value.split_once("://") {
        Some((scheme, address)) if scheme.eq_ignore_ascii_case("plaintext") => address,
        Some(_) => return Err(expected()),
        None => value,
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(expected)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().map_err(|_| expected())?;
    if host.is_empty() || host.contains(',') {
        return Err(expected());
    }
    Ok((host.to_owned(), port))
}
