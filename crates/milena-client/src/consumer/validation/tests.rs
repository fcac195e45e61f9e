//! Tests of what an epoch's end says about a position.

use super::{EpochEnd, EpochQuery, Validation, Verdict};

fn end(epoch: i32, offset: i64) -> EpochEnd {
    EpochEnd { epoch, offset }
}

/// Handed out up to epoch 2, fetched up to epoch 3.
fn reading() -> Validation {
    let mut validation = Validation::new();
    validation.on_fetched(2);
    validation.on_handed_out(2);
    validation.on_fetched(3);
    validation
}

#[test]
fn an_epochs_end_tells_what_is_gone() {
    // Handed out up to offset 20, fetched up to 30.
    for (end, expected) in [
        (end(3, 30), Verdict::Intact),
        (end(3, 99), Verdict::Intact),
        (end(3, 29), Verdict::FetchedGone),
        (end(2, 25), Verdict::FetchedGone),
        // Nobody has epoch 3 at all, whoever wrote what is there now.
        (end(2, 40), Verdict::FetchedGone),
        (end(3, 20), Verdict::FetchedGone),
        (end(2, 19), Verdict::GoneFrom(19)),
        (end(0, 0), Verdict::GoneFrom(0)),
        (end(-1, -1), Verdict::Gone),
    ] {
        assert_eq!(reading().judge(end, 20, 30), expected, "{end:?}");
    }
    let mut drained = reading();
    drained.on_drained();
    assert_eq!(drained.judge(end(2, 40), 30, 30), Verdict::Gone);
}

#[test]
fn pitfall_10_a_question_is_asked_once_for_each_leader() {
    let mut validation = reading();
    assert_eq!(validation.take_query(7), None, "nothing has changed");
    validation.on_new_leader();
    let query = validation.take_query(7).expect("another leader");
    let expected = EpochQuery {
        epoch: 3,
        leader_epoch: 7,
    };
    assert_eq!(query, expected);
    assert_eq!(validation.take_query(7), None, "under way");
    validation.on_query_failed();
    assert_eq!(validation.take_query(7), Some(query), "again");
    // The leader changes before the answer comes.
    validation.on_new_leader();
    assert!(!validation.take_asked(query), "answered by the former one");
    let query = validation.take_query(8).expect("the next leader");
    assert!(validation.is_open());
    assert!(validation.take_asked(query));
    assert!(!validation.is_open());
    assert_eq!(validation.take_query(8), None, "answered");
}

#[test]
fn pitfall_12_without_an_epoch_there_is_nothing_to_ask() {
    let mut validation = Validation::new();
    validation.on_new_leader();
    assert!(!validation.is_open());
    validation.start_unchecked(-1);
    assert!(!validation.is_open());
    validation.start_unchecked(0);
    assert!(validation.is_open());
    validation.start_checked(0);
    assert!(!validation.is_open());
}
