use bytes::Bytes;
use serde::Deserialize;

use super::*;
use crate::message::Headers;

#[derive(Debug, Deserialize, PartialEq)]
struct Order {
    id: u32,
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Line {
    cents: i64,
}

fn extract<T: FromMessage<()>>(message: &Message) -> Result<T, HandlerError> {
    T::from_message(message, &()).map_err(Into::into)
}

fn value(text: &'static str) -> Message {
    Message::new("orders").with_value(text)
}

fn check_rejected<T: FromMessage<()>>(message: &Message, code: &str, text: &str) {
    let Err(error) = extract::<T>(message) else {
        panic!("{code} should be refused");
    };
    assert_eq!((error.code(), error.message()), (code, text));
    assert_eq!(error.class(), crate::ErrorClass::NonRetriable);
    assert_eq!(error.stage(), crate::FailureStage::Decode);
}

#[test]
fn json_parses_or_names_the_field() {
    let Json(order) = extract::<Json<Order>>(&value(r#"{"id":1,"lines":[{"cents":5}]}"#)).unwrap();
    assert_eq!(
        order,
        Order {
            id: 1,
            lines: vec![Line { cents: 5 }]
        }
    );
    check_rejected::<Json<Order>>(
        &value(r#"{"id":1,"lines":[{"cents":5},{"cents":"x"}]}"#),
        "json",
        "lines[1].cents: invalid type: string \"x\", expected i64 at line 1 column 41",
    );
    check_rejected::<Json<Order>>(
        &value(r#"{"id":1,"lines":[]"#),
        "json",
        "EOF while parsing an object at line 1 column 18",
    );
    check_rejected::<Json<u8>>(
        &value("1 2"),
        "json",
        "trailing characters at line 1 column 3",
    );
    check_rejected::<Json<u8>>(
        &Message::new("t"),
        "null-value",
        "the value is null; `Option` accepts that",
    );
}

#[test]
fn option_accepts_absence_but_not_nonsense() {
    assert_eq!(
        extract::<Option<Json<u8>>>(&Message::new("t")).unwrap(),
        None
    );
    assert_eq!(
        extract::<Option<Json<u8>>>(&value("7")).unwrap(),
        Some(Json(7))
    );
    assert!(extract::<Option<Json<u8>>>(&value("x")).is_err());
    assert_eq!(extract::<Option<Bytes>>(&Message::new("t")).unwrap(), None);
    assert_eq!(extract::<Option<Key>>(&Message::new("t")).unwrap(), None);
}

#[test]
fn result_hands_the_failure_to_the_handler() {
    let result = extract::<Result<Json<u8>, HandlerError>>(&value("x")).unwrap();
    assert_eq!(result.unwrap_err().code(), "json");
}

#[test]
fn keys_are_read_as_what_the_handler_says() {
    let message = Message::new("t").with_key(&[0, 0, 0, 7][..]);
    assert_eq!(extract::<Key<i32>>(&message).unwrap(), Key(7));
    assert_eq!(extract::<Key>(&message).unwrap().0.len(), 4);
    check_rejected::<Key<i64>>(&message, "key", "the key is not an integer of 8 bytes");
    let message = Message::new("t").with_key(&[0xff][..]);
    check_rejected::<Key<String>>(&message, "key", "the key is not UTF-8 text");
    check_rejected::<Key>(
        &Message::new("t"),
        "null-key",
        "the key is null; `Option<Key>` accepts that",
    );
}

#[test]
fn the_rest_is_always_there() {
    let headers: Headers = [("a", "1")].into_iter().collect();
    let message = value("x").with_headers(headers).with_attempt(3);
    assert_eq!(extract::<Headers>(&message).unwrap().text("a"), Some("1"));
    assert_eq!(extract::<Meta>(&message).unwrap().attempt, 3);
    assert_eq!(extract::<Bytes>(&message).unwrap(), "x");
    assert_eq!(&**extract::<Message>(&message).unwrap().topic(), "orders");
}

#[derive(Clone)]
struct Whole {
    part: Part,
}

#[derive(Debug, Clone, PartialEq)]
struct Part(u8);

impl FromRef<Whole> for Part {
    fn from_ref(whole: &Whole) -> Part {
        whole.part.clone()
    }
}

#[test]
fn state_comes_whole_or_in_parts() {
    let whole = Whole { part: Part(9) };
    let message = Message::new("t");
    let Ok(State(part)) = State::<Part>::from_message(&message, &whole);
    assert_eq!(part, Part(9));
    let Ok(State(again)) = State::<Whole>::from_message(&message, &whole);
    assert_eq!(again.part, Part(9));
}
