//! What is a `traceparent`, what is not, and what is written back.

use super::{TRACEPARENT_HEADER, TRACESTATE_HEADER, TraceContext};
use crate::message::Headers;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn what_is_read_is_written_back() {
    for text in [
        PARENT,
        "00-00000000000000000000000000000001-0000000000000001-00",
        "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff",
    ] {
        let context: TraceContext = text.parse().unwrap();
        assert_eq!(context.to_string(), text);
        assert_eq!(context.is_sampled(), !text.ends_with("00"));
    }
    let later = format!("cc{}-what-the-future-brings", &PARENT[2..]);
    let context: TraceContext = later.parse().unwrap();
    assert_eq!(context.to_string(), PARENT);
    let generated = TraceContext::generate();
    assert_eq!(generated.to_string().parse(), Ok(generated));
}

#[test]
fn what_is_no_traceparent_is_refused() {
    for text in [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7a-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473ü-00f067aa0ba902b7-01",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        assert!(text.parse::<TraceContext>().is_err(), "{text:?}");
    }
}

#[test]
fn headers_are_read_as_far_as_they_make_sense() {
    let long = "x".repeat(513);
    for (headers, expected) in [
        (vec![], None),
        (vec![(TRACESTATE_HEADER, "a=1")], None),
        (vec![(TRACEPARENT_HEADER, "nonsense")], None),
        (vec![(TRACEPARENT_HEADER, PARENT)], Some(None)),
        (
            vec![
                (TRACEPARENT_HEADER, "nonsense"),
                (TRACEPARENT_HEADER, PARENT),
                (TRACESTATE_HEADER, "a=1,b=2"),
            ],
            Some(Some("a=1,b=2")),
        ),
        (
            vec![(TRACEPARENT_HEADER, PARENT), (TRACESTATE_HEADER, &long)],
            Some(None),
        ),
        (
            vec![(TRACEPARENT_HEADER, PARENT), (TRACESTATE_HEADER, "a=\n")],
            Some(None),
        ),
    ] {
        let described = format!("{headers:?}");
        let headers: Headers = headers
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        let context = TraceContext::of(headers.view());
        let state = context.as_ref().map(TraceContext::state);
        assert_eq!(state, expected, "{described}");
        assert!(context.is_none_or(|context| context.to_string() == PARENT));
    }
}
