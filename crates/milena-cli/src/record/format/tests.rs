use super::*;

fn record() -> TextRecord {
    TextRecord {
        topic: "orders".to_owned(),
        partition: 3,
        offset: 42,
        timestamp: 1_700_000_000_000,
        key: Some(b"k".to_vec()),
        value: Some(b"v\xff".to_vec()),
        headers: vec![
            ("a".to_owned(), Some(b"1".to_vec())),
            ("b".to_owned(), None),
        ],
        ..TextRecord::default()
    }
}

fn check(format: &str, record: &TextRecord, expected: &[u8]) {
    let mut out = Vec::new();
    Format::parse(format, "NULL")
        .unwrap()
        .write(record, &mut out);
    assert_eq!(out, expected, "{format}");
}

#[test]
fn tokens_are_filled_in() {
    check(
        r"%t [%p] at offset %o: key %k (%K) value %s (%S) %T\n",
        &record(),
        b"orders [3] at offset 42: key k (1) value v\xff (2) 1700000000000\n",
    );
    check(
        r"%h|%%|\t\x41\\é",
        &record(),
        "a=1,b=NULL|%|\tA\\é".as_bytes(),
    );
    check("%R", &record(), &[0, 0, 0, 2]);
}

#[test]
fn null_is_not_empty() {
    let null = TextRecord {
        key: None,
        value: None,
        ..record()
    };
    check("%k %K %s %S", &null, b"NULL -1 NULL -1");
    let mut out = Vec::new();
    Format::lines(Some(":"), "").write(&null, &mut out);
    Format::lines(None, "").write(&record(), &mut out);
    assert_eq!(out, b":\nv\xff\n");
}

#[test]
fn wrong_formats_say_what_there_is() {
    for (format, expected) in [
        ("%x", "there is no token %x; there are %s value"),
        ("100%", "the format ends in the middle of a token"),
        (r"\q", r"there is no escape \q"),
        (r"\xg1", r"\xg1: two hexadecimal digits"),
        ("a\\", "the format ends in the middle of an escape"),
    ] {
        let error = Format::parse(format, "").unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}
