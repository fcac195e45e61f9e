//! Settings that do not fit are named, with what is allowed.

use super::ProducerConfig;

fn error_of(properties: &[(&str, &str)]) -> String {
    ProducerConfig::from_properties(properties.iter().copied())
        .unwrap_err()
        .to_string()
}

#[test]
fn kafka_and_librdkafka_names_are_taken() {
    let config = ProducerConfig::from_properties([
        ("acks", "all"),
        ("linger.ms", "10"),
        ("batch.size", "16384"),
        ("compression.type", "snappy"),
        ("max.in.flight.requests.per.connection", "5"),
        ("queue.buffering.max.kbytes", "2048"),
    ])
    .unwrap();
    assert_eq!(config.linger.as_millis(), 10);
    assert_eq!(
        (config.batch_bytes_max, config.buffer_bytes_max),
        (16_384, 2 << 20)
    );
}

/// Properties, and what the error that they lead to says.
type Case = (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

#[test]
fn what_does_not_fit_is_named() {
    let cases: [Case; 8] = [
        (
            &[("acks", "1"), ("enable.idempotence", "true")],
            &["acks", "leave enable.idempotence out"],
        ),
        (
            &[("acks", "2")],
            &["acks", "\"2\"", "expected all, -1, 1, 0"],
        ),
        (
            &[("max.in.flight", "6"), ("enable.idempotence", "true")],
            &[
                "max.in.flight.requests.per.connection",
                "\"6\"",
                "at most 5",
            ],
        ),
        (
            &[("batch.size", "2000000")],
            &["batch.size", "max.request.size"],
        ),
        (
            &[("buffer.memory", "1000")],
            &["buffer.memory", "at least max.request.size"],
        ),
        (
            &[("delivery.timeout.ms", "1000")],
            &["delivery.timeout.ms", "request.timeout.ms"],
        ),
        (
            &[("partitioner", "murmur3")],
            &["partitioner", "murmur2_random, murmur2, consistent_random"],
        ),
        (
            &[("linger", "5")],
            &["linger", "did you mean \"linger.ms\""],
        ),
    ];
    for (properties, parts) in cases {
        let error = error_of(properties);
        for part in parts {
            assert!(error.contains(part), "{properties:?}: {error}");
        }
    }
}

#[test]
fn settings_that_rule_out_idempotence_turn_it_off_unless_it_was_asked_for() {
    let cases: [(&[(&str, &str)], bool); 5] = [
        (&[], true),
        (&[("acks", "1")], false),
        (&[("acks", "0")], false),
        (&[("max.in.flight", "6")], false),
        (&[("enable.idempotence", "false")], false),
    ];
    for (properties, expected) in cases {
        let config = ProducerConfig::from_properties(properties.iter().copied()).unwrap();
        assert_eq!(config.is_idempotent(), expected, "{properties:?}");
    }
}

#[test]
fn profiles_are_valid_and_differ_where_they_say() {
    let [throughput, reliability, latency] = [
        ProducerConfig::high_throughput(),
        ProducerConfig::high_reliability(),
        ProducerConfig::low_latency(),
    ];
    for profile in [&throughput, &reliability, &latency] {
        profile.validate().unwrap();
        assert!(profile.is_idempotent());
    }
    assert!(throughput.linger > latency.linger && latency.linger.is_zero());
    assert!(reliability.acks(super::Acks::Leader).validate().is_err());
}

#[test]
fn partitioners_are_known_by_the_names_of_both_clients() {
    let cases = [
        (
            ("partitioner", "consistent_random"),
            "Hash { hash: Crc32, keyless: Sticky }",
        ),
        (
            ("partitioner", "murmur2"),
            "Hash { hash: Murmur2, keyless: Hashed }",
        ),
        (
            ("partitioner", "fnv1a_random"),
            "Hash { hash: Fnv1a, keyless: Sticky }",
        ),
        (("partitioner.ignore.keys", "true"), "Sticky"),
        (
            ("partitioner.ignore.keys", "false"),
            "Hash { hash: Murmur2, keyless: Sticky }",
        ),
        (
            (
                "partitioner.class",
                "org.apache.kafka.clients.producer.RoundRobinPartitioner",
            ),
            "RoundRobin",
        ),
    ];
    for (property, expected) in cases {
        let config = ProducerConfig::from_properties([property]).unwrap();
        assert_eq!(
            format!("{:?}", config.partitioning),
            expected,
            "{property:?}"
        );
    }
}
