use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::message::TimestampType;

fn origin() -> FailurePlace {
    FailurePlace {
        topic: "dev.orders".to_owned(),
        group: "billing".to_owned(),
        handler: "app::on_order".to_owned(),
        app: "shop".to_owned(),
        host: "host-1".to_owned(),
        redact: None,
        record_bytes_max: 1 << 20,
    }
}

fn history(errors: &[&HandlerError]) -> History {
    let mut history = History::default();
    for (second, error) in (0..).zip(errors) {
        history.push(
            Timestamp::from_second(1_700_000_000 + second).unwrap(),
            error,
        );
    }
    history
}

fn message() -> Message {
    Message::new("orders")
        .with_key("k")
        .with_value(&[0xff, 0x00][..])
        .with_partition(3)
        .with_offset(42)
        .with_timestamp(1_600_000_000_123, TimestampType::CreateTime)
}

fn texts(letter: &NewDeadLetter) -> BTreeMap<&str, &str> {
    letter
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str(), std::str::from_utf8(value.as_ref()?).ok()?))
        })
        .collect()
}

#[test]
fn a_dead_letter_says_everything_and_changes_nothing() {
    let headers = [("a", "1"), ("traceparent", "00-x"), ("a", "2")];
    let message = message()
        .with_timestamp(1_600_000_000_123, TimestampType::LogAppendTime)
        .with_headers(headers.into_iter().collect());
    let error = HandlerError::decode("json", "at cents");
    let letter = NewDeadLetter::new(&message, &error, &history(&[&error, &error]), &origin());
    assert_eq!(letter.key.as_deref(), Some(&b"k"[..]));
    assert_eq!(letter.value.as_deref(), Some(&[0xff, 0x00][..]));
    assert_eq!(letter.timestamp, 1_600_000_000_123);
    let names: Vec<&str> = letter
        .headers
        .iter()
        .take(3)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["a", "traceparent", "a"]);
    let texts = texts(&letter);
    for (name, expected) in [
        ("milena-origin-topic", "dev.orders"),
        ("milena-origin-partition", "3"),
        ("milena-origin-offset", "42"),
        ("milena-origin-timestamp", "1600000000123"),
        ("milena-origin-timestamp-type", "LogAppendTime"),
        ("milena-origin-group", "billing"),
        ("milena-failure-stage", "decode"),
        ("milena-failure-code", "json"),
        ("milena-failure-class", "non-retriable"),
        ("milena-failure-message", "at cents"),
        ("milena-attempts", "2"),
        ("milena-failed-first", "2023-11-14T22:13:20.000Z"),
        ("milena-failed-last", "2023-11-14T22:13:21.000Z"),
        ("milena-message-id", "dev.orders/3/42"),
        ("milena-handler", "app::on_order"),
        ("milena-app", "shop"),
        ("milena-host", "host-1"),
    ] {
        assert_eq!(texts.get(name), Some(&expected), "{name}");
    }
    let history: Vec<serde_json::Value> = serde_json::from_str(texts["milena-history"]).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[1]["attempt"], 2);
    assert_eq!(texts["milena-failure-fingerprint"].len(), 16);
}

#[test]
fn an_earlier_failure_gives_way_but_what_belongs_to_the_record_stays() {
    let error = HandlerError::retriable("first");
    let first = NewDeadLetter::new(&message(), &error, &history(&[&error]), &origin());
    let headers = first
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().unwrap_or_default()))
        .chain([("milena-redrive-count".to_owned(), Bytes::from("1"))]);
    let again = message().with_headers(headers.collect());
    let error = HandlerError::retriable("second");
    let second = NewDeadLetter::new(&again, &error, &history(&[&error]), &origin());
    let count = |name: &str| {
        second
            .headers
            .iter()
            .filter(|(other, _)| other == name)
            .count()
    };
    assert_eq!(count("milena-failure-message"), 1);
    assert_eq!(count("milena-message-id"), 1);
    let texts = texts(&second);
    assert_eq!(texts["milena-failure-message"], "second");
    assert_eq!(texts["milena-redrive-count"], "1");
    assert_eq!(texts["milena-failed-first"], "2023-11-14T22:13:20.000Z");
    let history: Vec<serde_json::Value> = serde_json::from_str(texts["milena-history"]).unwrap();
    assert_eq!(history.len(), 2);
}

#[test]
fn the_budget_trims_trace_then_history_then_message() {
    let io = std::io::Error::other("y".repeat(20_000));
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Long(String, #[source] std::io::Error);
    let error = HandlerError::from(Long("é".repeat(3_000), io)).with_code("long");
    let history = history(&vec![&error; 50]);
    let sizes = |record_bytes_max| {
        let origin = FailurePlace {
            record_bytes_max,
            ..origin()
        };
        let letter = NewDeadLetter::new(&message(), &error, &history, &origin);
        assert_eq!(letter.value.as_ref().map(Bytes::len), Some(2));
        let texts = texts(&letter);
        let length = |name| texts.get(name).map_or(0, |text: &&str| text.len());
        [
            "milena-failure-trace",
            "milena-history",
            "milena-failure-message",
            "milena-origin-offset",
        ]
        .map(length)
    };
    let [trace, history, message, _] = sizes(1 << 20);
    assert_eq!((trace, message), (8192, 2048));
    assert!(history > 2000);
    let [trace, less_history, message, _] = sizes(4_000);
    assert!(trace == 0 && less_history < history && less_history > 0 && message == 2048);
    let [trace, history, message, offset] = sizes(2_000);
    assert!(trace == 0 && history == 0 && message < 2048 && message > 0 && offset == 2);
    assert_eq!(sizes(0), [0; 4]);
}

#[test]
fn secrets_are_taken_out() {
    let error = HandlerError::retriable("token=abc");
    let origin = FailurePlace {
        redact: Some(|text| text.replace("abc", "***")),
        ..origin()
    };
    let letter = NewDeadLetter::new(&message(), &error, &history(&[&error]), &origin);
    assert!(texts(&letter).values().all(|text| !text.contains("abc")));
}

proptest! {
    /// Whatever fails, the letter fits and its texts are texts.
    #[test]
    fn a_letter_never_outgrows_its_budget(
        text in ".{0,3000}",
        record_bytes_max in 0_usize..6000,
        attempts in 1_usize..30,
    ) {
        let error = HandlerError::retriable(&text);
        let origin = FailurePlace { record_bytes_max, ..origin() };
        let letter = NewDeadLetter::new(&message(), &error, &history(&vec![&error; attempts]), &origin);
        let size: usize = letter
            .headers
            .iter()
            .map(|(name, value)| header_bytes(name, value.as_ref().map_or(0, Bytes::len)))
            .sum();
        prop_assert!(size <= record_bytes_max);
        prop_assert_eq!(letter.value.as_ref().map(Bytes::len), Some(2));
        if let Some(history) = texts(&letter).get("milena-history") {
            prop_assert!(serde_json::from_str::<Vec<serde_json::Value>>(history).is_ok());
        }
    }
}
