use super::*;

fn origin(record_bytes_max: usize) -> FailurePlace {
    FailurePlace {
        topic: "dev.orders".to_owned(),
        group: "billing".to_owned(),
        handler: "app::on_order".to_owned(),
        app: "shop".to_owned(),
        host: "host-1".to_owned(),
        redact: None,
        record_bytes_max,
    }
}

fn message() -> Message {
    let headers = vec![
        ("a".to_owned(), Some(Bytes::from_static(b"1"))),
        ("a".to_owned(), None),
    ];
    Message::new("orders")
        .with_key("k")
        .with_value(&[0xff, 0x00][..])
        .with_headers(Headers::own(headers))
        .with_partition(3)
        .with_offset(42)
        .with_timestamp(1_600_000_000_123, TimestampType::LogAppendTime)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// As it is consumed from the retry topic.
fn stored(record: NewDeadLetter) -> Message {
    Message::from(OwnRecord {
        key: record.key,
        value: record.value,
        offset: 7,
        timestamp: record.timestamp,
        headers: Headers::own(record.headers),
        ..OwnRecord::new("billing.retry".into())
    })
}

#[test]
fn a_record_comes_back_as_it_was() {
    let error = HandlerError::retriable("down").with_code("db");
    let mut history = History::default();
    history.push(at(1_700_000_000), &error);
    history.push(at(1_700_000_001), &error);
    let due = at(1_700_000_100);
    let before = Timestamp::now().as_millisecond();
    let record = for_retry(&message(), &error, &history, &origin(1 << 20), due).unwrap();
    assert!(record.timestamp >= before, "or retention deletes it");
    let waiting = Waiting::read(&stored(record)).unwrap();
    assert_eq!(
        (waiting.due_ms, &*waiting.topic),
        (due.as_millisecond(), "dev.orders")
    );
    assert!(waiting.bytes() > RECORD_OVERHEAD_BYTES);
    // Written again, it is the same.
    let waiting = Waiting::read(&stored(waiting.again())).unwrap();
    assert_eq!(waiting.due_ms, due.as_millisecond());
    let (back, mut history) = waiting.open("orders".into());
    let original = message();
    assert_eq!(back.attempt(), 3);
    assert_eq!((back.partition(), back.offset()), (3, 42));
    assert_eq!(
        (back.timestamp(), back.timestamp_type()),
        (original.timestamp(), original.timestamp_type())
    );
    assert_eq!(
        (&back.key(), &back.value()),
        (&original.key(), &original.value())
    );
    assert!(back.headers().iter().eq(original.headers().iter()));
    // The dead letter it may become in the end tells all attempts.
    history.push(at(1_700_000_200), &HandlerError::retriable("still down"));
    let letter = NewDeadLetter::new(&back, &error, &history, &origin(1 << 20));
    let headers = Headers::own(letter.headers);
    assert_eq!(headers.text(names::ATTEMPTS), Some("3"));
    assert_eq!(
        headers.text(names::FAILED_FIRST),
        Some("2023-11-14T22:13:20.000Z")
    );
    assert_eq!(headers.text(names::ORIGIN_OFFSET), Some("42"));
    let told: serde_json::Value =
        serde_json::from_str(headers.text(names::HISTORY).unwrap()).unwrap();
    let attempts: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["attempt"])
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert_eq!(headers.get(names::RETRY_DUE), None);
}

#[test]
fn a_record_without_room_is_not_moved() {
    let error = HandlerError::retriable("down");
    let mut history = History::default();
    history.push(at(1_700_000_000), &error);
    assert!(for_retry(&message(), &error, &history, &origin(200), at(0)).is_none());
}

#[test]
fn what_is_no_retry_record_is_said() {
    let error = Waiting::read(&Message::new("billing.retry")).unwrap_err();
    assert_eq!(
        error.message(),
        "the header milena-retry-due is missing or cannot be read"
    );
    assert_eq!(error.code(), "retry-record");
}
