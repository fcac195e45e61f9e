use proptest::prelude::*;

use super::*;
use crate::message::OwnRecord;

/// Header bytes as each tool writes them; the sources are named in the dialects' files.
fn letter(headers: &[(&str, &[u8])]) -> DeadLetter {
    read(headers, Some(b"payload"))
}

fn read(headers: &[(&str, &[u8])], value: Option<&'static [u8]>) -> DeadLetter {
    let headers: Headers = headers
        .iter()
        .map(|(name, value)| (*name, value.to_vec()))
        .collect();
    DeadLetter::read(&Message::from(OwnRecord {
        partition: 1,
        offset: 7,
        timestamp: 1_600_000_000_000,
        value: value.map(Bytes::from_static),
        headers,
        ..OwnRecord::new("orders.dlq".into())
    }))
}

fn origin(topic: &str, partition: i32, offset: i64) -> Origin {
    Origin {
        topic: Some(topic.to_owned()),
        partition: Some(partition),
        offset: Some(offset),
        ..Origin::default()
    }
}

fn failure(code: &str, message: &str, trace: &str) -> Failure {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Failure {
        code: some(code),
        message: some(message),
        trace: some(trace),
        ..Failure::default()
    }
}

#[test]
fn ours() {
    let letter = letter(&[
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("milena-message-id", b"id-7"),
        ("milena-origin-topic", b"orders"),
        ("milena-origin-partition", b"3"),
        ("milena-origin-offset", b"42"),
        ("milena-origin-group", b"billing"),
        ("milena-failure-stage", b"decode"),
        ("milena-failure-class", b"non-retriable"),
        ("milena-failure-code", b"json"),
        ("milena-attempts", b"2"),
        ("milena-failure-message", b"at cents"),
        ("milena-failure-fingerprint", b"00112233445566aa"),
        ("milena-origin-timestamp", b"1600000000123"),
        ("milena-origin-timestamp-type", b"CreateTime"),
        ("milena-handler", b"app::on_order"),
        ("milena-app", b"shop"),
        ("milena-host", b"host-1"),
        ("milena-failed-first", b"2023-11-14T22:13:20.000Z"),
        ("milena-failed-last", b"2023-11-14T22:13:21.500Z"),
        (
            "milena-history",
            br#"[{"attempt":1,"at":"2023-11-14T22:13:20.000Z","class":"retriable","code":"io","message":"no"}]"#,
        ),
        ("milena-redrive-count", b"2"),
        ("milena-redrive-id", b"r-1"),
        ("milena-redrive-by", b"ada"),
    ]);
    assert_eq!(letter.dialect, Dialect::Milena);
    assert_eq!(
        letter.origin,
        Origin {
            timestamp: Some(1_600_000_000_123),
            timestamp_type: Some("CreateTime".to_owned()),
            group: Some("billing".to_owned()),
            ..origin("orders", 3, 42)
        }
    );
    assert_eq!(
        letter.failure,
        Failure {
            stage: Some("decode".to_owned()),
            class: Some("non-retriable".to_owned()),
            ..failure("json", "at cents", "")
        }
    );
    assert_eq!(letter.attempts, Some(2));
    assert_eq!(
        (letter.failed_first, letter.failed_last),
        (Some(1_700_000_000_000), Some(1_700_000_001_500))
    );
    assert_eq!(letter.failed_at(), 1_700_000_001_500);
    assert_eq!(
        (letter.history.len(), letter.history[0].code.as_str()),
        (1, "io")
    );
    assert_eq!(letter.fingerprint, "00112233445566aa");
    assert_eq!(letter.message_id.as_deref(), Some("id-7"));
    let mark = (
        letter.redrive.count,
        letter.redrive.id.as_deref(),
        letter.redrive.by.as_deref(),
    );
    assert_eq!(mark, (2, Some("r-1"), Some("ada")));
    assert_eq!(letter.problems, [""; 0]);
    let own: Vec<&str> = letter.original_headers().map(|(name, _)| name).collect();
    assert_eq!(
        own,
        [
            "traceparent",
            "milena-message-id",
            "milena-redrive-count",
            "milena-redrive-id",
            "milena-redrive-by"
        ]
    );
}

/// `DeadLetterPublishingRecoverer`: a DLT of a DLT has the original headers twice.
#[test]
fn spring() {
    let letter = letter(&[
        ("kafka_dlt-original-topic", b"orders"),
        ("kafka_dlt-original-partition", &[0, 0, 0, 3]),
        ("kafka_dlt-original-offset", &[0, 0, 0, 0, 0, 0, 1, 0]),
        (
            "kafka_dlt-original-timestamp",
            &1_600_000_000_123_i64.to_be_bytes(),
        ),
        ("kafka_dlt-original-timestamp-type", b"CreateTime"),
        ("kafka_dlt-original-consumer-group", b"billing"),
        ("kafka_dlt-original-topic", b"orders.DLT"),
        ("kafka_dlt-original-partition", &[0, 0, 0, 0]),
        ("kafka_dlt-original-offset", &[0; 8]),
        (
            "kafka_dlt-exception-fqcn",
            b"org.springframework.kafka.listener.ListenerExecutionFailedException",
        ),
        (
            "kafka_dlt-exception-cause-fqcn",
            b"java.lang.IllegalStateException",
        ),
        ("kafka_dlt-exception-message", b"Listener failed; no"),
        ("kafka_dlt-exception-stacktrace", b"org.spring\n\tat a.b"),
        ("kafka_deliveryAttempt", &[0, 0, 0, 1]),
    ]);
    assert_eq!(letter.dialect, Dialect::Spring);
    assert_eq!(
        letter.origin,
        Origin {
            timestamp: Some(1_600_000_000_123),
            timestamp_type: Some("CreateTime".to_owned()),
            group: Some("billing".to_owned()),
            ..origin("orders", 3, 256)
        }
    );
    assert_eq!(
        letter.failure,
        failure(
            "java.lang.IllegalStateException",
            "Listener failed; no",
            "org.spring\n\tat a.b"
        )
    );
    assert_eq!(letter.attempts, None);
    assert_eq!(letter.original_headers().count(), 1);
}

/// `@RetryableTopic` writes other names, and counts attempts in four bytes, formerly in one.
#[test]
fn spring_behind_retry_topics() {
    for (attempts, expected) in [
        (&[0, 0, 0, 4][..], Some(3)),
        (&[4][..], Some(3)),
        (&[0, 0, 0, 1][..], Some(1)),
        (&[0, 0][..], None),
    ] {
        let letter = letter(&[
            ("kafka_original-topic", b"orders"),
            ("kafka_original-partition", &[0, 0, 0, 3]),
            ("kafka_original-offset", &[0, 0, 0, 0, 0, 0, 0, 42]),
            ("kafka_exception-fqcn", b"java.lang.IllegalStateException"),
            ("kafka_exception-message", b"no"),
            (
                "retry_topic-original-timestamp",
                &[1, 0x74, 0x87, 0x6b, 0x90, 0],
            ),
            ("retry_topic-attempts", attempts),
            (
                "retry_topic-backoff-timestamp",
                &[1, 0x74, 0x87, 0x6b, 0x90, 0],
            ),
        ]);
        assert_eq!(letter.dialect, Dialect::Spring);
        assert_eq!(letter.origin, origin("orders", 3, 42));
        assert_eq!(
            letter.failure,
            failure("java.lang.IllegalStateException", "no", "")
        );
        assert_eq!(letter.attempts, expected);
        assert_eq!(letter.original_headers().count(), 0);
    }
}

/// A key that cannot be deserialized has headers of its own.
#[test]
fn spring_keys() {
    let letter = letter(&[
        ("kafka_dlt-original-topic", b"orders"),
        (
            "kafka_dlt-key-exception-fqcn",
            b"org.springframework.kafka.support.serializer.DeserializationException",
        ),
        ("kafka_dlt-key-exception-message", b"failed to deserialize"),
        ("springDeserializerExceptionKey", &[0xac, 0xed, 0, 5]),
    ]);
    assert_eq!(
        letter.failure,
        failure(
            "org.springframework.kafka.support.serializer.DeserializationException",
            "failed to deserialize",
            ""
        )
    );
    assert_eq!(letter.original_headers().count(), 0);
}

#[test]
fn connect() {
    let letter = letter(&[
        ("own", b"1"),
        ("__connect.errors.topic", b"orders"),
        ("__connect.errors.partition", b"3"),
        ("__connect.errors.offset", b"42"),
        ("__connect.errors.connector.name", b"sink"),
        ("__connect.errors.task.id", b"0"),
        ("__connect.errors.stage", b"VALUE_CONVERTER"),
        (
            "__connect.errors.class.name",
            b"org.apache.kafka.connect.json.JsonConverter",
        ),
        (
            "__connect.errors.exception.class.name",
            b"org.apache.kafka.connect.errors.DataException",
        ),
        ("__connect.errors.exception.message", b"no schema"),
        ("__connect.errors.exception.stacktrace", b"org.apache\n\tat"),
    ]);
    assert_eq!(letter.dialect, Dialect::Connect);
    assert_eq!(letter.origin, origin("orders", 3, 42));
    assert_eq!(
        letter.failure,
        Failure {
            stage: Some("VALUE_CONVERTER".to_owned()),
            ..failure(
                "org.apache.kafka.connect.errors.DataException",
                "no schema",
                "org.apache\n\tat"
            )
        }
    );
    assert_eq!(letter.handler.as_deref(), Some("sink-0"));
    let own: Vec<&str> = letter.original_headers().map(|(name, _)| name).collect();
    assert_eq!(own, ["own"]);
}

/// Connect writes an empty topic and -1 for what was not consumed.
#[test]
fn connect_without_a_record() {
    let letter = letter(&[
        ("__connect.errors.topic", b""),
        ("__connect.errors.partition", b"-1"),
        ("__connect.errors.offset", b"-1"),
    ]);
    assert_eq!(letter.origin, Origin::default());
    assert_eq!(letter.problems, [""; 0]);
}

#[test]
fn streams() {
    for exception in [
        &b"org.apache.kafka.common.errors.SerializationException"[..],
        b"org.apache.kafka.common.errors.SerializationException: size 3 is not 8",
    ] {
        let letter = letter(&[
            ("__streams.errors.exception", exception),
            ("__streams.errors.message", b"size 3 is not 8"),
            ("__streams.errors.stacktrace", b"org.apache\n\tat"),
            ("__streams.errors.topic", b"orders"),
            ("__streams.errors.partition", b"3"),
            ("__streams.errors.offset", b"42"),
        ]);
        assert_eq!(letter.dialect, Dialect::Streams);
        assert_eq!(letter.origin, origin("orders", 3, 42));
        assert_eq!(
            letter.failure,
            failure(
                "org.apache.kafka.common.errors.SerializationException",
                "size 3 is not 8",
                "org.apache\n\tat"
            )
        );
    }
}

/// An exception without a message is a header whose value is null.
#[test]
fn streams_without_a_message() {
    let null = Headers::own(vec![
        (
            "__streams.errors.exception".to_owned(),
            Some(Bytes::from("java.lang.NullPointerException")),
        ),
        ("__streams.errors.message".to_owned(), None),
    ]);
    let letter = DeadLetter::read(&Message::new("t").with_headers(null));
    assert_eq!(
        letter.failure,
        failure("java.lang.NullPointerException", "", "")
    );
    assert_eq!(letter.problems, [""; 0]);
}

#[test]
fn share_groups() {
    let headers: [(&str, &[u8]); 6] = [
        ("__dlq.errors.topic", b"orders"),
        ("__dlq.errors.partition", b"3"),
        ("__dlq.errors.offset", b"42"),
        ("__dlq.errors.group", b"billing"),
        ("__dlq.errors.delivery.count", b"5"),
        ("__dlq.errors.message", b"Offset rejected by client."),
    ];
    let copied = letter(&headers);
    assert_eq!(copied.dialect, Dialect::ShareGroup);
    assert_eq!(
        copied.origin,
        Origin {
            group: Some("billing".to_owned()),
            ..origin("orders", 3, 42)
        }
    );
    assert_eq!(
        copied.failure,
        failure("", "Offset rejected by client.", "")
    );
    assert_eq!((copied.attempts, copied.has_payload), (Some(5), true));
    // Without errors.deadletterqueue.copy.record.enable there is nothing but the headers.
    assert!(!read(&headers, None).has_payload);
}

/// The record's own headers come last: those of an earlier letter too.
#[test]
fn smallrye() {
    let letter = letter(&[
        (
            "dead-letter-exception-class-name",
            b"java.lang.RuntimeException",
        ),
        ("dead-letter-reason", b"again"),
        ("dead-letter-cause-class-name", b"java.io.IOException"),
        ("dead-letter-cause", b"closed"),
        ("dead-letter-topic", b"orders-dlq"),
        ("dead-letter-partition", b"0"),
        ("dead-letter-offset", b"1"),
        ("own", b"1"),
        (
            "dead-letter-exception-class-name",
            b"java.lang.IllegalStateException",
        ),
        ("dead-letter-reason", b"first"),
        ("dead-letter-topic", b"orders"),
        ("dead-letter-partition", b"3"),
        ("dead-letter-offset", b"42"),
    ]);
    assert_eq!(letter.dialect, Dialect::SmallRye);
    assert_eq!(letter.origin, origin("orders", 3, 42));
    assert_eq!(
        letter.failure,
        failure(
            "java.lang.RuntimeException",
            "again",
            "java.io.IOException: closed"
        )
    );
    let own: Vec<&str> = letter.original_headers().map(|(name, _)| name).collect();
    assert_eq!(own, ["own"]);
}

#[test]
fn wolverine() {
    let letter = letter(&[
        ("id", b"0190a2f0"),
        ("attempts", b"3"),
        ("exception-type", b"System.InvalidOperationException"),
        ("exception-message", b"no"),
        ("exception-stack", b"   at A.B()"),
        ("failed-at", b"1700000000000"),
        ("original-destination", b"kafka://topic/orders"),
        ("original-partition", b"3"),
        ("original-offset", b"42"),
    ]);
    assert_eq!(letter.dialect, Dialect::Wolverine);
    assert_eq!(letter.origin, origin("orders", 3, 42));
    assert_eq!(
        letter.failure,
        failure("System.InvalidOperationException", "no", "   at A.B()")
    );
    assert_eq!(
        (letter.attempts, letter.failed_last),
        (Some(3), Some(1_700_000_000_000))
    );
    let own: Vec<&str> = letter.original_headers().map(|(name, _)| name).collect();
    assert_eq!(own, ["id"]);
}

#[test]
fn watermill() {
    let letter = letter(&[
        ("_watermill_message_uuid", b"0190a2f0"),
        ("reason_poisoned", b"dial tcp: connection refused"),
        ("topic_poisoned", b"orders"),
        ("handler_poisoned", b"on_order"),
        ("subscriber_poisoned", b"kafka.PubSub"),
    ]);
    assert_eq!(letter.dialect, Dialect::Watermill);
    assert_eq!(
        letter.origin,
        Origin {
            topic: Some("orders".to_owned()),
            ..Origin::default()
        }
    );
    assert_eq!(
        letter.failure,
        failure("", "dial tcp: connection refused", "")
    );
    assert_eq!(letter.handler.as_deref(), Some("on_order"));
    let own: Vec<&str> = letter.original_headers().map(|(name, _)| name).collect();
    assert_eq!(own, ["_watermill_message_uuid"]);
}

/// Each wrong header is absent and named; the others are read, and the record is whole.
#[test]
fn what_cannot_be_read_is_said() {
    let letter = letter(&[
        ("milena-origin-topic", b"orders"),
        ("milena-origin-partition", b"three"),
        ("milena-origin-offset", &[0xff]),
        ("milena-attempts", b"99999999999"),
        ("milena-failed-first", b"yesterday"),
        ("milena-history", b"[{\"attempt\":"),
        ("milena-failure-message", &[b'a', 0xff]),
        ("milena-redrive-count", b"-1"),
    ]);
    assert_eq!(letter.origin.topic.as_deref(), Some("orders"));
    assert_eq!(letter.failure.message.as_deref(), Some("a\u{fffd}"));
    assert_eq!(
        (letter.origin.partition, letter.origin.offset),
        (None, None)
    );
    assert_eq!((letter.attempts, letter.redrive.count), (None, 0));
    assert_eq!(letter.value.as_deref(), Some(&b"payload"[..]));
    assert_eq!(
        letter.problems,
        [
            "milena-origin-partition is not a number as text",
            "milena-origin-offset is not a number as text",
            "milena-failure-message is not UTF-8",
            "milena-attempts is not a number as text",
            "milena-failed-first is not an RFC 3339 time",
            "milena-history: EOF while parsing a value at line 1 column 12",
            "milena-redrive-count is not a number as text",
        ]
    );
    let spring = super::tests::letter(&[("kafka_dlt-original-offset", b"42")]);
    assert_eq!(
        spring.problems,
        ["kafka_dlt-original-offset has 2 bytes instead of 8"]
    );
}

/// Nothing known is no reason to lose a record, and letters that look the same stay together.
#[test]
fn an_unknown_letter_is_whole() {
    let one = letter(&[("own", b"1")]);
    assert_eq!(one.dialect, Dialect::Unknown);
    assert_eq!(one.original_headers().count(), 1);
    assert_eq!(one.fingerprint, letter(&[]).fingerprint);
    assert_eq!(one.failed_at(), 1_600_000_000_000);
    let failed = |offset: &str| letter(&[("reason_poisoned", format!("at {offset}").as_bytes())]);
    assert_eq!(failed("12").fingerprint, failed("99").fingerprint);
    assert_ne!(failed("12").fingerprint, failed("x").fingerprint);
}

const NAMES: [&str; 24] = [
    "milena-origin-topic",
    "milena-origin-partition",
    "milena-origin-offset",
    "milena-failure-code",
    "milena-failed-last",
    "milena-history",
    "milena-attempts",
    "milena-redrive-count",
    "kafka_dlt-original-partition",
    "kafka_dlt-original-offset",
    "kafka_dlt-exception-fqcn",
    "kafka_original-topic",
    "retry_topic-attempts",
    "__connect.errors.partition",
    "__connect.errors.task.id",
    "__streams.errors.exception",
    "__dlq.errors.delivery.count",
    "dead-letter-topic",
    "dead-letter-offset",
    "exception-type",
    "failed-at",
    "original-destination",
    "topic_poisoned",
    "own",
];

proptest! {
    /// Whatever the headers hold, there is a view, and the record in it.
    #[test]
    fn nothing_panics_or_is_lost(
        headers in proptest::collection::vec(
            (0..NAMES.len(), proptest::collection::vec(any::<u8>(), 0..12)),
            0..8,
        ),
    ) {
        let headers: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (NAMES[*name], value.as_slice()))
            .collect();
        let letter = letter(&headers);
        prop_assert_eq!(letter.headers.iter().count(), headers.len());
        prop_assert_eq!(letter.value.as_deref(), Some(&b"payload"[..]));
        prop_assert!(!letter.fingerprint.is_empty());
    }
}
