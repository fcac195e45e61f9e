use super::*;
use crate::message::{Headers, Message};

fn letter(given: &[(&str, &[u8])]) -> DeadLetter {
    let given: Headers = given
        .iter()
        .map(|(name, value)| (*name, value.to_vec()))
        .collect();
    DeadLetter::read(&Message::new("orders.dlq").with_headers(given))
}

fn check(given: &[(&str, &[u8])], keep_diagnostics: bool, expected: &[(&str, &str)]) {
    let mark = Mark {
        id: "r-9".to_owned(),
        by: "ada".to_owned(),
        keep_diagnostics,
    };
    let headers = headers(&letter(given), &mark);
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| {
            let value = value.as_deref().unwrap_or_default();
            (name.as_str(), std::str::from_utf8(value).unwrap())
        })
        .collect();
    assert_eq!(headers, expected);
}

#[test]
fn failures_go_marks_come_and_the_story_goes_on() {
    let given: [(&str, &[u8]); 11] = [
        ("own", b"1"),
        ("own", b"2"),
        ("traceparent", b"00-x"),
        ("milena-message-id", b"id-7"),
        ("milena-origin-topic", b"orders"),
        ("milena-failure-code", b"json"),
        ("milena-failed-first", b"2023-11-14T22:13:20.000Z"),
        ("milena-failed-last", b"2023-11-14T22:13:20.000Z"),
        ("milena-history", b"[]"),
        ("milena-redrive-count", b"1"),
        ("milena-redrive-id", b"r-1"),
    ];
    check(
        &given,
        false,
        &[
            ("own", "1"),
            ("own", "2"),
            ("traceparent", "00-x"),
            ("milena-message-id", "id-7"),
            ("milena-failed-first", "2023-11-14T22:13:20.000Z"),
            ("milena-history", "[]"),
            ("milena-redrive-count", "2"),
            ("milena-redrive-id", "r-9"),
            ("milena-redrive-by", "ada"),
        ],
    );
}

#[test]
fn diagnostics_stay_when_asked_for() {
    let given: [(&str, &[u8]); 2] = [
        ("milena-failure-code", b"json"),
        ("milena-message-id", b"id-7"),
    ];
    check(
        &given,
        true,
        &[
            ("milena-failure-code", "json"),
            ("milena-message-id", "id-7"),
            ("milena-redrive-count", "1"),
            ("milena-redrive-id", "r-9"),
            ("milena-redrive-by", "ada"),
        ],
    );
}

/// The attempts that Spring counts in a header would be used up.
#[test]
fn what_others_wrote_goes_too_and_the_origin_names_the_message() {
    let given: [(&str, &[u8]); 6] = [
        ("own", b"1"),
        ("kafka_original-topic", b"orders"),
        ("kafka_original-partition", &[0, 0, 0, 3]),
        ("kafka_original-offset", &[0, 0, 0, 0, 0, 0, 0, 42]),
        ("kafka_exception-fqcn", b"a.B"),
        ("retry_topic-attempts", &[0, 0, 0, 4]),
    ];
    check(
        &given,
        false,
        &[
            ("own", "1"),
            ("milena-message-id", "orders/3/42"),
            ("milena-redrive-count", "1"),
            ("milena-redrive-id", "r-9"),
            ("milena-redrive-by", "ada"),
        ],
    );
}

#[test]
fn the_partition_is_the_old_one_while_it_exists() {
    let letter = letter(&[
        ("milena-origin-topic", b"orders"),
        ("milena-origin-partition", b"3"),
    ]);
    for (topic, partitions, expected) in [
        ("orders", 4, Some(3)),
        ("orders", 3, None),
        ("repair", 4, None),
    ] {
        assert_eq!(partition(&letter, topic, partitions), expected);
    }
}
