use milena::Headers;

use super::*;

fn check(json: &str, expected: Result<[&str; 3], &str>) {
    let notification: Notification = serde_json::from_str(json).expect("JSON");
    let checked = Problems::of(&notification).map(|()| notification);
    match (&checked, expected) {
        (Ok(found), Ok([user_id, event, content])) => {
            assert_eq!(
                [&found.user_id, &found.event, &found.content],
                [user_id, event, content]
            );
        }
        (Err(error), Err(expected)) => assert_eq!(error.message(), expected, "{json}"),
        _ => panic!("{json}: {checked:?}"),
    }
}

#[test]
fn all_three_are_required() {
    check(
        r#"{"user_id":"u","event":"e","content":"c","more":1}"#,
        Ok(["u", "e", "c"]),
    );
    check(
        r#"{"user_id":7,"event":"e","content":{"a":1}}"#,
        Ok(["7", "e", r#"{"a":1}"#]),
    );
    check(
        r#"{"user_id":"u","event":"e"}"#,
        Err("content: missing or empty"),
    );
    check(
        r#"{"user_id":null,"event":""}"#,
        Err("user_id: missing or empty; event: missing or empty; content: missing or empty"),
    );
}

#[test]
fn a_message_is_known_by_its_id_or_its_place() {
    let headers: Headers = [(milena::MESSAGE_ID_HEADER, "id-1")].into_iter().collect();
    assert_eq!(identity(&Message::new("t").with_headers(headers)), "id-1");
    assert_eq!(identity(&Message::new("t")), "t/0/0@0");
}
