use super::*;

#[test]
fn targets_stay_within_the_partition() {
    for (to, from, timed, expected) in [
        (ResetTo::Earliest, Some(50), None, 10),
        (ResetTo::Latest, None, None, 90),
        (ResetTo::Timestamp(1), None, Some(33), 33),
        (ResetTo::Timestamp(1), None, None, 90),
        (ResetTo::Shift(5), Some(50), None, 55),
        (ResetTo::Shift(-5), Some(50), None, 45),
        (ResetTo::Shift(-50), Some(50), None, 10),
        (ResetTo::Shift(i64::MAX), Some(50), None, 90),
        (ResetTo::Shift(5), None, None, 15),
        (ResetTo::Offset(3), None, None, 10),
        (ResetTo::Offset(33), None, None, 33),
        (ResetTo::Offset(91), None, None, 90),
    ] {
        assert_eq!(target(to, from, 10, 90, timed), expected, "{to:?} {from:?}");
    }
}
