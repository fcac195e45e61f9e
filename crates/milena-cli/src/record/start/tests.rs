use super::*;

#[test]
fn all_of_kcats_forms() {
    for (text, expected) in [
        ("beginning", Bound::Start(Start::Beginning)),
        ("end", Bound::Start(Start::End)),
        ("stored", Bound::Start(Start::Stored)),
        ("17", Bound::Start(Start::Offset(17))),
        ("-17", Bound::Start(Start::BeforeEnd(17))),
        ("s@5", Bound::Start(Start::Timestamp(5))),
        ("e@6", Bound::EndTimestamp(6)),
    ] {
        assert_eq!(text.parse(), Ok(expected));
    }
    for bad in [
        "",
        "-",
        "--1",
        "middle",
        "s@",
        "e@x",
        "99999999999999999999",
    ] {
        assert!(
            bad.parse::<Bound>()
                .unwrap_err()
                .contains("beginning, end, stored"),
            "{bad}"
        );
    }
}
