//! Tests of the leaderships of a log.

use super::{EpochEnd, LeaderEpochs};

/// Epoch 0 wrote 0..10, epoch 2 wrote 10..25, epoch 3 nothing, epoch 5 wrote from 25 on.
fn history() -> LeaderEpochs {
    let mut epochs = LeaderEpochs::default();
    epochs.begin(0, 0);
    epochs.begin(2, 10);
    epochs.note(2, 12);
    epochs.begin(3, 25);
    epochs.begin(5, 25);
    epochs
}

fn check(epochs: &LeaderEpochs, end_offset: i64, expected: &[(i32, Option<(i32, i64)>)]) {
    for (asked, end) in expected {
        let end = end.map(|(epoch, offset)| EpochEnd { epoch, offset });
        assert_eq!(epochs.end_of(*asked, end_offset), end, "epoch {asked}");
    }
}

#[test]
fn an_epoch_ends_where_the_next_one_begins() {
    let epochs = history();
    assert_eq!(epochs.current(), 5);
    check(
        &epochs,
        30,
        &[
            (0, Some((0, 10))),
            // It wrote nothing: the last one before it.
            (1, Some((0, 10))),
            (2, Some((2, 25))),
            (3, Some((2, 25))),
            (5, Some((5, 30))),
            (6, None),
        ],
    );
}

#[test]
fn each_record_has_the_epoch_of_its_leader() {
    let epochs = history();
    for (offset, epoch) in [(0, 0), (9, 0), (10, 2), (24, 2), (25, 5), (30, 5)] {
        assert_eq!(epochs.epoch_at(offset), Some(epoch), "offset {offset}");
    }
}

#[test]
fn what_was_truncated_belongs_to_nobody() {
    let mut epochs = history();
    epochs.truncate(8);
    epochs.begin(6, 8);
    check(
        &epochs,
        9,
        &[(0, Some((0, 8))), (5, Some((0, 8))), (6, Some((6, 9)))],
    );
    let mut epochs = history();
    epochs.truncate(0);
    epochs.begin(6, 0);
    check(&epochs, 0, &[(5, Some((5, 0))), (6, Some((6, 0)))]);
}

#[test]
fn deleted_records_take_their_epochs_along() {
    let mut epochs = history();
    epochs.forget_before(12);
    check(
        &epochs,
        30,
        &[(0, Some((0, 12))), (2, Some((2, 25))), (5, Some((5, 30)))],
    );
    epochs.forget_before(30);
    check(&epochs, 30, &[(2, Some((2, 30))), (5, Some((5, 30)))]);
}

#[test]
fn a_checkpoint_brings_them_back() {
    let restored = LeaderEpochs::restore(history().starts().to_vec());
    assert_eq!(restored, history());
}
