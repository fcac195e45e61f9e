use super::*;
use crate::message::{Headers, Message};

fn rules() -> Rules {
    Rules {
        own_topic: "orders.dlq".to_owned(),
        to: None,
        redrives_max: 3,
        again: false,
        keep_diagnostics: false,
    }
}

fn letter(headers: &[(&str, &str)]) -> DeadLetter {
    let headers: Headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    DeadLetter::read(&Message::new("orders.dlq").with_headers(headers))
}

fn send(topic: &str) -> Decision {
    Decision::Send {
        topic: topic.to_owned(),
    }
}

#[test]
fn letters_go_back_unless_something_speaks_against_it() {
    let origin = ("milena-origin-topic", "orders");
    let skip = Decision::Skip;
    for (headers, is_redriven, expected) in [
        (&[origin][..], false, send("orders")),
        (&[origin][..], true, skip(SkipReason::AlreadyRedriven)),
        (
            &[origin, ("milena-redrive-count", "2")][..],
            false,
            send("orders"),
        ),
        (
            &[origin, ("milena-redrive-count", "3")][..],
            false,
            skip(SkipReason::TooOften),
        ),
        (&[][..], false, skip(SkipReason::NoOrigin)),
        (
            &[("milena-origin-topic", "orders.dlq")][..],
            false,
            skip(SkipReason::Loop),
        ),
        (
            &[("__dlq.errors.topic", "orders")][..],
            false,
            skip(SkipReason::NoPayload),
        ),
    ] {
        assert_eq!(
            rules().decide(&letter(headers), is_redriven),
            expected,
            "{headers:?}"
        );
    }
}

#[test]
fn another_topic_and_a_second_time_are_asked_for() {
    let rules = Rules {
        to: Some("repair".to_owned()),
        again: true,
        ..rules()
    };
    let origin = ("milena-origin-topic", "orders");
    assert_eq!(rules.decide(&letter(&[origin]), true), send("repair"));
    assert_eq!(rules.decide(&letter(&[]), false), send("repair"));
}
