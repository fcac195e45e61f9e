use super::*;
use crate::message::{Headers, Message};

fn letter() -> DeadLetter {
    let headers: Headers = [
        ("milena-origin-topic", "orders"),
        ("milena-origin-partition", "3"),
        ("milena-origin-offset", "42"),
        ("milena-failure-stage", "decode"),
        ("milena-failure-class", "non-retriable"),
        ("milena-failure-code", "json"),
        ("milena-failure-message", "at cents"),
        ("milena-failure-fingerprint", "0011aabb00112233"),
        ("milena-failed-last", "2023-11-14T22:13:20Z"),
        ("milena-handler", "on_order"),
        ("tenant", "acme"),
    ]
    .into_iter()
    .collect();
    let message = Message::new("orders.dlq")
        .with_key("k-1")
        .with_value("{\"cents\":true}")
        .with_headers(headers)
        .with_partition(1)
        .with_offset(7);
    DeadLetter::read(&message)
}

fn check(expected: bool, set: impl Fn(&mut Filter)) {
    let mut filter = Filter::default();
    set(&mut filter);
    assert_eq!(filter.matches(&letter()), expected, "{filter:?}");
}

#[test]
fn each_setting_takes_and_refuses() {
    assert!(Filter::default().is_empty());
    check(true, |_| {});
    for (partition, expected) in [(1, true), (2, false)] {
        check(expected, |filter| filter.partitions = vec![partition]);
    }
    for (partition, expected) in [(3, true), (1, false)] {
        check(expected, |filter| filter.origin_partition = Some(partition));
    }
    for (range, expected) in [(7..=7, true), (8..=9, false)] {
        check(expected, |filter| filter.offsets = Some(range.clone()));
    }
    for (range, expected) in [(0..=42, true), (0..=41, false)] {
        check(expected, |filter| {
            filter.origin_offsets = Some(range.clone())
        });
    }
    let failed = 1_700_000_000_000;
    for (since, expected) in [(failed, true), (failed + 1, false)] {
        check(expected, |filter| filter.failed_since = Some(since));
    }
    for (before, expected) in [(failed + 1, true), (failed, false)] {
        check(expected, |filter| filter.failed_before = Some(before));
    }
    type Field = fn(&mut Filter) -> &mut Option<String>;
    let fields: [(Field, &str, &str); 8] = [
        (|filter| &mut filter.origin_topic, "orders", "order"),
        (|filter| &mut filter.stage, "decode", "handle"),
        (|filter| &mut filter.class, "non-retriable", "retriable"),
        (|filter| &mut filter.code, "json", "xml"),
        (|filter| &mut filter.fingerprint, "0011aabb", "1100"),
        (|filter| &mut filter.handler, "on_order", "on"),
        (|filter| &mut filter.key, "k-1", "k"),
        (|filter| &mut filter.text, "cents", "dollars"),
    ];
    for (field, taken, refused) in fields {
        check(true, |filter| *field(filter) = Some(taken.to_owned()));
        check(false, |filter| *field(filter) = Some(refused.to_owned()));
    }
    check(true, |filter| filter.text = Some("acme".to_owned()));
    check(false, |filter| {
        filter.code = Some("json".to_owned());
        filter.key = Some("other".to_owned());
    });
}

/// What is not known does not match what is asked for.
#[test]
fn an_unknown_letter_matches_no_origin() {
    let letter = DeadLetter::read(&Message::new("t"));
    let filter = Filter {
        origin_offsets: Some(0..=i64::MAX),
        ..Filter::default()
    };
    assert!(!filter.matches(&letter));
}
