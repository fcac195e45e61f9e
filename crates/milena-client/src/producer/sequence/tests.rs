//! Where sequences and epochs end.

use super::{ProducerIdentity, Sequence};

#[test]
fn pitfall_05_the_sequence_wraps_to_zero_after_its_maximum() {
    let cases = [
        (0, 1, 1),
        (i32::MAX, 1, 0),
        (i32::MAX - 2, 5, 2),
        (i32::MAX, 100, 99),
    ];
    for (start, count, next) in cases {
        assert_eq!(Sequence(start).advanced(count), Sequence(next));
    }
}

#[test]
fn epochs_end_where_the_type_does() {
    assert_eq!(
        ProducerIdentity { id: 9, epoch: 4 }.bumped(),
        Some(ProducerIdentity { id: 9, epoch: 5 })
    );
    assert_eq!(
        ProducerIdentity {
            id: 9,
            epoch: i16::MAX
        }
        .bumped(),
        None
    );
}
