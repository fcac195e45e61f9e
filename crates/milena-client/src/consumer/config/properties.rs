//! The consumer's settings under Kafka's property names.
//!
//! Owns the table of names; must not know defaults or limits.

use super::{ConsumerConfig, IsolationLevel, OffsetReset};
use crate::config::{Configurable, Properties, Property, PropertyValue};
use crate::error::Error;
use crate::group::{Assignor, GroupProtocol};

impl ConsumerConfig {
    /// The settings that `properties` hold under Kafka's or librdkafka's names,
    /// and defaults for the rest. Names it does not know stay for the other
    /// configurations; see [`Properties::finish`].
    ///
    /// # Errors
    /// [`Error::Config`] for a value that is not allowed.
    pub fn take_from(properties: &mut Properties) -> Result<Self, Error> {
        properties.fill(Self::new(), Self::validate)
    }
}

impl Configurable for ConsumerConfig {
    const PROPERTIES: &'static [Property<Self>] = &[
        Property::new(&["group.id"], |config, value| {
            config.group_id = Some(value.text().into());
            Ok(())
        }),
        Property::new(&["group.instance.id"], |config, value| {
            config.group_instance_id = Some(value.text().to_owned());
            Ok(())
        }),
        Property::new(&["auto.offset.reset"], |config, value| {
            config.auto_offset_reset = offset_reset(value)?;
            Ok(())
        }),
        Property::new(&["enable.partition.eof"], |config, value| {
            config.enable_partition_end = value.boolean()?;
            Ok(())
        }),
        Property::new(&["enable.auto.commit"], |config, value| {
            config.enable_auto_commit = value.boolean()?;
            Ok(())
        }),
        Property::new(&["auto.commit.interval.ms"], |config, value| {
            config.auto_commit_interval = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["session.timeout.ms"], |config, value| {
            config.session_timeout = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["heartbeat.interval.ms"], |config, value| {
            config.heartbeat_interval = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["max.poll.interval.ms"], |config, value| {
            config.rebalance_timeout = value.milliseconds()?;
            Ok(())
        }),
        Property::new(&["partition.assignment.strategy"], |config, value| {
            config.assignors = assignors(value)?;
            Ok(())
        }),
        Property::new(&["group.protocol"], |config, value| {
            config.group_protocol = value.one_of(&[
                ("classic", GroupProtocol::Classic),
                ("consumer", GroupProtocol::Consumer),
                ("CLASSIC", GroupProtocol::Classic),
                ("CONSUMER", GroupProtocol::Consumer),
            ])?;
            Ok(())
        }),
        Property::new(&["group.remote.assignor"], |config, value| {
            config.group_remote_assignor = Some(value.text().to_owned());
            Ok(())
        }),
        Property::new(&["exclude.internal.topics"], |config, value| {
            config.exclude_internal_topics = value.boolean()?;
            Ok(())
        }),
        Property::new(&["fetch.min.bytes"], |config, value| {
            config.fetch_bytes_min = value.bytes()?;
            Ok(())
        }),
        Property::new(
            &["fetch.max.wait.ms", "fetch.wait.max.ms"],
            |config, value| {
                config.fetch_wait_max = value.milliseconds()?;
                Ok(())
            },
        ),
        Property::new(&["fetch.max.bytes"], |config, value| {
            config.fetch_bytes_max = value.bytes()?;
            Ok(())
        }),
        Property::new(
            &["max.partition.fetch.bytes", "fetch.message.max.bytes"],
            |config, value| {
                config.partition_fetch_bytes_max = value.bytes()?;
                Ok(())
            },
        ),
        Property::new(&["prefetch.max.bytes"], |config, value| {
            config.prefetch_bytes_max = value.bytes()?;
            Ok(())
        }),
        Property::new(&["max.poll.records"], |config, value| {
            config.poll_records_max = value.number()?;
            Ok(())
        }),
        Property::new(&["isolation.level"], |config, value| {
            config.isolation_level = isolation_level(value)?;
            Ok(())
        }),
        Property::new(&["client.rack"], |config, value| {
            config.client_rack = value.text().into();
            Ok(())
        }),
        // CRCs are always checked.
        Property::new(&["check.crcs"], |_, value| value.boolean().map(|_| ())),
    ];
}

/// A policy's name, or `by_duration:` and an ISO 8601 duration.
fn offset_reset(value: &PropertyValue<'_>) -> Result<OffsetReset, Error> {
    if let Some(duration) = value.text().strip_prefix("by_duration:") {
        let expected = "expected by_duration:PT1H, P7D or another ISO 8601 duration";
        let age = duration.parse::<jiff::Span>();
        let age = age.and_then(|age| age.to_duration(jiff::SpanRelativeTo::days_are_24_hours()));
        let age = age.ok().and_then(|age| age.try_into().ok());
        return age
            .map(OffsetReset::ByDuration)
            .ok_or_else(|| value.error(expected));
    }
    value.one_of(&[
        ("earliest", OffsetReset::Earliest),
        ("latest", OffsetReset::Latest),
        ("none", OffsetReset::None),
        ("smallest", OffsetReset::Earliest),
        ("beginning", OffsetReset::Earliest),
        ("largest", OffsetReset::Latest),
        ("end", OffsetReset::Latest),
        ("error", OffsetReset::None),
    ])
}

fn isolation_level(value: &PropertyValue<'_>) -> Result<IsolationLevel, Error> {
    value.one_of(&[
        ("read_uncommitted", IsolationLevel::ReadUncommitted),
        ("read_committed", IsolationLevel::ReadCommitted),
    ])
}

/// Names as librdkafka has them, or classes as the Java client has them.
fn assignors(value: &PropertyValue<'_>) -> Result<Vec<Assignor>, Error> {
    let parse = |name: &String| {
        match name.rsplit('.').next().unwrap_or(name) {
        "range" | "RangeAssignor" => Ok(Assignor::Range),
        "roundrobin" | "RoundRobinAssignor" => Ok(Assignor::RoundRobin),
        "sticky" | "StickyAssignor" => Ok(Assignor::Sticky),
        "cooperative-sticky" | "CooperativeStickyAssignor" => Ok(Assignor::CooperativeSticky),
        _ => Err(value.error("expected a list of range, roundrobin, sticky, cooperative-sticky, or their class names in Java")),
    }
    };
    value.list().iter().map(parse).collect()
}
