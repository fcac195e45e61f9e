use super::*;

#[test]
fn times_are_points_or_ages() {
    let now: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
    for (text, expected) in [
        ("1700000000123", Some("2023-11-14T22:13:20.123Z")),
        ("2026-01-30T12:00:00Z", Some("2026-01-30T12:00:00Z")),
        ("2026-01-30T12:00:00+02:00", Some("2026-01-30T10:00:00Z")),
        ("30m", Some("2026-01-31T11:30:00Z")),
        ("7d", Some("2026-01-24T12:00:00Z")),
        ("-2h", None),
        ("yesterday", None),
    ] {
        let parsed = parse_at(text, now).ok().map(show);
        assert_eq!(parsed.as_deref(), expected, "{text}");
    }
}
