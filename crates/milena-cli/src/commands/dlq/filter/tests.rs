use super::range;

#[test]
fn ranges_have_both_ends() {
    for (text, expected) in [
        ("42", Some(42..=42)),
        ("40..49", Some(40..=49)),
        ("40..", Some(40..=i64::MAX)),
        ("..49", Some(0..=49)),
        ("..", None),
        ("", None),
        ("9..1", None),
        ("-1", None),
        ("a..b", None),
    ] {
        assert_eq!(range(text).ok(), expected, "{text}");
    }
}
