use super::*;

#[test]
fn what_differs_from_record_to_record_does_not_count() {
    let of = |message| fingerprint("h", "handle", "db", message);
    assert_eq!(of("row 17 is locked"), of("row 9 is locked"));
    assert_eq!(of("user \"ann\" unknown"), of("user \"bob\" unknown"));
    assert_ne!(of("row 17 is locked"), of("row 17 is gone"));
    assert_ne!(of("x"), fingerprint("other", "handle", "db", "x"));
    assert_ne!(
        fingerprint("ab", "c", "", ""),
        fingerprint("a", "bc", "", "")
    );
    assert_eq!(of("unfinished \"quote"), of("unfinished \"other"));
}

#[test]
fn it_is_the_same_for_ever() {
    assert_eq!(
        fingerprint("h", "handle", "db", "row 17"),
        "9cf2e86a93e7e6ce"
    );
}
