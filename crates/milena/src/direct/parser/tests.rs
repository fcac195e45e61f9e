use serde::Deserialize;

use super::{MessageParser, ParseErrorKind};
use crate::failure::{ErrorClass, FailureStage, HandlerError};
use crate::message::Message;

#[derive(Debug, Deserialize)]
struct Order {
    id: String,
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    price: u32,
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let parser = MessageParser::<Order>::new().validate(|order| match order.items.len() {
        0 => Err(("items", "is empty".to_owned())),
        _ => Ok(()),
    });
    for (value, path, kind, text) in [
        (
            r#"{"id":"a","items":[{"price":1},{"price":"x"}]}"#,
            Some("items[1].price"),
            ParseErrorKind::Unreadable,
            "items[1].price: invalid type: string \"x\", expected u32",
        ),
        (
            r#"{"id":"a"}"#,
            None,
            ParseErrorKind::Unreadable,
            "missing field `items`",
        ),
        (
            r#"{"id":"a","items":[]} tail"#,
            None,
            ParseErrorKind::Unreadable,
            "trailing characters",
        ),
        (
            r#"{"id":"a","items":[]}"#,
            Some("items"),
            ParseErrorKind::Invalid,
            "items: is empty",
        ),
    ] {
        let message = Message::new("orders").with_value(value);
        let error = parser.parse(&message).unwrap_err();
        assert_eq!(error.path.as_deref(), path, "{value}");
        assert_eq!(error.kind, kind, "{value}");
        assert!(error.to_string().starts_with(text), "{error}");
        let failure = HandlerError::from(error);
        assert_eq!(failure.class(), ErrorClass::NonRetriable, "{failure}");
        let expected = match kind {
            ParseErrorKind::Invalid => FailureStage::Validate,
            _ => FailureStage::Decode,
        };
        assert_eq!(failure.stage(), expected, "{failure}");
    }
}

#[test]
fn what_fits_is_parsed_and_keeps_its_message() {
    let message = Message::new("orders")
        .with_key("k")
        .with_value(r#"{"id":"a","items":[{"price":3}]}"#);
    let parsed = MessageParser::<Order>::new().parse(&message).unwrap();
    assert_eq!(parsed.payload.id, "a");
    assert_eq!(parsed.payload.items[0].price, 3);
    assert_eq!(parsed.key(), Some(&b"k"[..]));
    let null = MessageParser::<Order>::new().parse(&Message::new("orders"));
    assert_eq!(null.unwrap_err().kind, ParseErrorKind::NullValue);
}
