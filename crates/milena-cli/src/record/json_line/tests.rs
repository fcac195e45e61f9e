use proptest::prelude::*;

use super::*;

#[test]
fn texts_look_as_in_kcat() {
    let record = TextRecord {
        topic: "t".to_owned(),
        partition: 1,
        offset: 2,
        timestamp: 3,
        key: Some(b"k".to_vec()),
        value: None,
        headers: vec![
            ("a".to_owned(), Some(b"1".to_vec())),
            ("a".to_owned(), None),
        ],
        ..TextRecord::default()
    };
    assert_eq!(
        String::from_utf8(write(&record)).unwrap(),
        r#"{"topic":"t","partition":1,"offset":2,"tstype":"create","ts":3,"headers":["a","1","a",null],"key":"k","payload":null}"#
    );
}

#[test]
fn wrong_lines_say_what_is_wrong() {
    for (line, expected) in [
        ("{", "EOF while parsing an object at line 1 column 1"),
        (
            r#"{"payload":1}"#,
            "invalid type: integer `1`, expected a string at line 1 column 12",
        ),
        (
            r#"{"key":"a","key_base64":"YQ=="}"#,
            "key and key_base64 exclude each other",
        ),
        (r#"{"payload_base64":"?"}"#, "payload_base64 is not base64"),
        (r#"{"headers":["a"]}"#, "headers: \"a\" has no value"),
        (
            r#"{"headers":[null,"a"]}"#,
            "headers: a header's name must be a text",
        ),
    ] {
        assert_eq!(read(line.as_bytes()).unwrap_err(), expected);
    }
    assert_eq!(read(b"{}").unwrap().timestamp, -1);
}

prop_compose! {
    fn records()(
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        value in prop::option::of(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            ".{0,40}".prop_map(String::into_bytes),
        ]),
        headers in prop::collection::vec(
            (".{0,8}", prop::option::of(prop::collection::vec(any::<u8>(), 0..10))), 0..4),
        timestamp in any::<i64>(),
        is_log_append_time: bool,
    ) -> TextRecord {
        TextRecord {
            topic: "t".to_owned(), partition: 3, offset: 9,
            timestamp, is_log_append_time, key, value, headers,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_byte_for_byte(record in records()) {
        let line = write(&record);
        prop_assert!(!line.contains(&b'\n'));
        prop_assert_eq!(read(&line), Ok(record));
    }
}
