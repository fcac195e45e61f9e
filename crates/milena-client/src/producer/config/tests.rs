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
    let cases: [Case; 7] = [
        (&[("acks", "1")], &["acks", "enable.idempotence=false"]),
        (
            &[("acks", "2")],
            &["acks", "\"2\"", "expected all, -1, 1, 0"],
        ),
        (
            &[("max.in.flight", "6")],
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
