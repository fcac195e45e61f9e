use super::*;
use crate::message::{Headers, MESSAGE_ID_HEADER};

fn message() -> Message {
    let headers: Headers = [("a", "from-header"), ("empty", "")].into_iter().collect();
    Message::new("t")
        .with_headers(headers)
        .with_key("from-key")
        .with_value(r#"{"id":"from-field","order":{"id":7,"lines":[1]},"none":null}"#)
}

#[test]
fn the_first_place_that_has_one_counts() {
    for (sources, expected) in [
        (
            &[IdSource::header("a"), IdSource::Key][..],
            Some("from-header"),
        ),
        (
            &[IdSource::header("b"), IdSource::Key][..],
            Some("from-key"),
        ),
        (
            &[IdSource::header("empty"), IdSource::Key][..],
            Some("from-key"),
        ),
        (&[IdSource::field("id")][..], Some("from-field")),
        (&[IdSource::field("order.id")][..], Some("7")),
        (&[IdSource::field("order.lines")][..], None),
        (&[IdSource::field("none")][..], None),
        (&[IdSource::field("id.more")][..], None),
        (&[][..], None),
    ] {
        let found = message().id_from(sources);
        assert_eq!(found.as_deref(), expected, "{sources:?}");
    }
}

#[test]
fn what_cannot_be_read_is_no_id() {
    let binary = Message::new("t").with_key(vec![0xff]).with_value("no JSON");
    let sources = [
        IdSource::header(MESSAGE_ID_HEADER),
        IdSource::Key,
        IdSource::field("id"),
    ];
    assert_eq!(binary.id_from(&sources), None);
    assert_eq!(Message::new("t").id_from(&sources), None);
}
