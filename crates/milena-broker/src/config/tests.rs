use super::*;
use crate::error::BrokerError;

#[test]
fn properties_are_read_or_refused_with_a_hint() {
    let cases = [
        ("num.partitions", "3", None),
        ("log.retention.ms", "-1", None),
        ("advertised.listeners", "PLAINTEXT://example.org:9092", None),
        ("num.partitions", "0", Some("a number from 1 to")),
        ("num.partitions", "many", Some("a number from 1 to")),
        ("auto.create.topics.enable", "yes", Some("true or false")),
        (
            "advertised.listeners",
            "SSL://a",
            Some("PLAINTEXT://HOST:PORT"),
        ),
        (
            "log.message.timestamp.type",
            "now",
            Some("CreateTime or LogAppendTime"),
        ),
        ("num.partition", "3", Some("did you mean 'num.partitions'?")),
        (
            "group.initial.rebalance.delay",
            "3",
            Some("'group.initial.rebalance.delay.ms'?"),
        ),
    ];
    for (name, value, expected) in cases {
        let outcome = apply(&mut BrokerConfig::default(), name, value);
        match (expected, outcome) {
            (None, outcome) => assert!(outcome.is_ok(), "{name}={value}: {outcome:?}"),
            (Some(hint), Err(error)) => {
                let text = error.to_string();
                assert!(text.contains(hint) && !text.contains('\n'), "{text}");
            }
            (Some(_), Ok(())) => panic!("{name}={value} was taken"),
        }
    }
    let error = apply(&mut BrokerConfig::default(), "zzz", "1").err();
    assert!(matches!(
        error,
        Some(BrokerError::UnknownProperty { nearest: None, .. })
    ));
}

#[test]
fn every_property_name_is_listed_once_and_in_order() {
    let names: Vec<&str> = property_names().collect();
    assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
}
