use super::*;

#[test]
fn headers_keep_order_duplicates_and_the_last_wins() {
    let headers: Headers = [("a", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b", "a"]);
    assert_eq!(headers.text("a"), Some("3"));
    assert_eq!(headers.all("a").count(), 2);
    assert_eq!(headers.get("c"), None);
    assert!(Headers::default().is_empty());
}

#[test]
fn the_id_is_a_header() {
    let headers: Headers = [(MESSAGE_ID_HEADER, "id-7")].into_iter().collect();
    assert_eq!(Message::new("t").with_headers(headers).id(), Some("id-7"));
    assert_eq!(Message::new("t").id(), None);
}

#[test]
fn what_is_set_changes_nothing_else() {
    let message = Message::new("t").with_key("k").with_attempt(3);
    let changed = message.clone().with_value("v").with_offset(7);
    assert_eq!((changed.key(), changed.attempt()), (Some(&b"k"[..]), 3));
    assert_eq!((changed.value(), changed.offset()), (Some(&b"v"[..]), 7));
    assert_eq!((message.value(), message.offset()), (None, 0));
}

#[test]
fn messages_are_small_to_move() {
    assert_eq!(size_of::<Message>(), 72);
}
