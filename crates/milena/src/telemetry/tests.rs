//! What `MILENA_LOG` takes, and what it refuses.

use super::parse_filter;

#[test]
fn levels_and_pairs_are_taken() {
    for directives in [
        "info",
        "off",
        "WARN",
        "milena=debug",
        "milena=debug,warn",
        "a=info, b=off",
    ] {
        assert!(parse_filter(directives).is_some(), "{directives:?}");
    }
}

#[test]
fn what_would_log_something_else_than_meant_is_refused() {
    for directives in [
        "",
        "=,=",
        "inffo",
        "milena=",
        "milena=loud",
        "=info",
        "info,,",
        "a=b=c",
        "3",
    ] {
        assert!(parse_filter(directives).is_none(), "{directives:?}");
    }
}
