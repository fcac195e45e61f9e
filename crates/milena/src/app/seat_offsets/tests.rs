use super::*;

#[test]
fn only_what_is_done_beyond_the_last_commit_is_to_be_committed() {
    let offsets = SeatOffsets::default();
    assert_eq!(offsets.uncommitted(), None);
    offsets.set_done(5);
    assert_eq!(offsets.uncommitted(), Some(5));
    offsets.set_committed(5);
    assert_eq!(offsets.uncommitted(), None);
    offsets.set_done(7);
    assert_eq!((offsets.uncommitted(), offsets.done()), (Some(7), Some(7)));
    offsets.set_both(9);
    assert_eq!((offsets.uncommitted(), offsets.done()), (None, Some(9)));
}

/// Both numbers are read one after the other, and set one after the other: whoever reads in
/// between sees a commit that is ahead of what was done.
#[test]
fn pitfall_15_an_older_offset_is_never_asked_for_again() {
    let offsets = SeatOffsets::default();
    offsets.set_both(5);
    offsets.set_committed(9);
    assert_eq!(offsets.uncommitted(), None, "5 would take the group back");
    offsets.set_committed(7);
    offsets.set_done(9);
    assert_eq!(
        offsets.uncommitted(),
        None,
        "a late answer takes nothing back"
    );
}
