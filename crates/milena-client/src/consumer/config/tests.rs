//! Tests of the consumer's settings.

use std::time::Duration;

use super::{ConsumerConfig, IsolationLevel, OffsetReset};
use crate::config::Properties;
use crate::group::Assignor;

fn check_error(config: ConsumerConfig, field: &str) {
    let error = config.validate().expect_err("not valid").to_string();
    assert!(error.starts_with(field), "{error}");
}

#[test]
fn defaults_are_valid() {
    ConsumerConfig::new().validate().expect("valid");
    ConsumerConfig::group("g").validate().expect("valid");
}

#[test]
fn settings_that_do_not_fit_are_named() {
    check_error(ConsumerConfig::group(""), "group.id");
    check_error(ConsumerConfig::new().enable_auto_commit(true), "group.id");
    check_error(ConsumerConfig::new().group_instance_id("a"), "group.id");
    let without_assignors = ConsumerConfig::group("g").assignors([]);
    check_error(without_assignors, "partition.assignment.strategy");
    let long_pause = ConsumerConfig::group("g").heartbeat_interval(Duration::from_secs(45));
    check_error(long_pause, "heartbeat.interval.ms");
    check_error(ConsumerConfig::new().fetch_bytes_max(1), "fetch.max.bytes");
    check_error(
        ConsumerConfig::new().poll_records_max(0),
        "max.poll.records",
    );
}

#[test]
fn properties_have_kafkas_names() {
    let mut properties = Properties::new([
        ("group.id", "billing"),
        ("auto.offset.reset", "earliest"),
        ("isolation.level", "read_committed"),
        (
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor, range,\
             org.apache.kafka.clients.consumer.StickyAssignor,roundrobin",
        ),
        ("max.poll.interval.ms", "1000"),
        ("check.crcs", "false"),
    ]);
    let config = ConsumerConfig::take_from(&mut properties).expect("valid");
    properties.finish().expect("all known");
    assert_eq!(config.group_id.as_deref(), Some("billing"));
    assert_eq!(config.auto_offset_reset, OffsetReset::Earliest);
    assert_eq!(config.isolation_level, IsolationLevel::ReadCommitted);
    assert_eq!(
        config.assignors,
        [
            Assignor::CooperativeSticky,
            Assignor::Range,
            Assignor::Sticky,
            Assignor::RoundRobin
        ]
    );
    assert_eq!(config.rebalance_timeout, Duration::from_secs(1));
}

#[test]
fn unknown_assignors_are_refused() {
    let mut properties = Properties::new([("partition.assignment.strategy", "rang")]);
    let error = ConsumerConfig::take_from(&mut properties).expect_err("unknown");
    assert!(error.to_string().contains("cooperative-sticky"), "{error}");
}

#[test]
fn an_offset_reset_can_be_a_duration() {
    let parse = |text: &str| {
        let mut properties = Properties::new([("auto.offset.reset", text)]);
        ConsumerConfig::take_from(&mut properties)
    };
    let hours = |hours: u64| OffsetReset::ByDuration(Duration::from_secs(hours * 3600));
    for (text, expected) in [
        ("by_duration:PT1H", hours(1)),
        ("by_duration:P1DT2H", hours(26)),
        ("earliest", OffsetReset::Earliest),
    ] {
        let config = parse(text).expect("valid");
        assert_eq!(config.auto_offset_reset, expected, "{text}");
    }
    for text in ["by_duration:", "by_duration:-PT1H", "by_duration:P1M"] {
        let error = parse(text).expect_err("not valid").to_string();
        assert!(
            error.contains("auto.offset.reset") && error.contains("PT1H"),
            "{error}"
        );
    }
}

#[test]
fn profiles_are_valid() {
    for profile in [
        ConsumerConfig::high_throughput(),
        ConsumerConfig::high_reliability(),
        ConsumerConfig::low_latency(),
    ] {
        profile.validate().expect("valid");
    }
}
