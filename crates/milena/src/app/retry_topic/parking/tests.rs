use proptest::prelude::*;

use super::*;

const LATER: i64 = 10 * HOLDING_MS_MAX;

/// Parks offsets 0, 1, … with these due times at time 0.
fn parked(due: &[i64]) -> Parking<i64> {
    let mut parking = Parking::default();
    for (offset, due_ms) in (0..).zip(due) {
        parking.park(offset, *due_ms, offset, 10, 0);
    }
    parking
}

fn due(parking: &mut Parking<i64>, now_ms: i64) -> Vec<i64> {
    std::iter::from_fn(|| parking.take_due(now_ms).map(|(offset, _)| offset)).collect()
}

fn offsets(taken: Vec<(i64, i64)>) -> Vec<i64> {
    taken.into_iter().map(|(offset, _)| offset).collect()
}

#[test]
fn records_come_out_when_due_however_they_went_in() {
    let mut parking = parked(&[300, 100, 200, 100]);
    assert_eq!(parking.next_due_ms(), Some(100));
    assert_eq!(due(&mut parking, 99), [0_i64; 0]);
    assert_eq!(due(&mut parking, 200), [1, 3, 2]);
    assert_eq!(parking.next_due_ms(), Some(300));
    assert_eq!(parking.committable(), Some(0));
    for offset in [1, 2, 3] {
        parking.finish(offset);
    }
    assert_eq!(parking.committable(), Some(0), "0 is not done");
    assert_eq!(due(&mut parking, 300), [0]);
    parking.finish(0);
    assert_eq!(parking.committable(), Some(4));
}

#[test]
fn who_holds_up_the_commit_for_long_is_written_again() {
    let mut parking = parked(&[LATER, 5, LATER, 5, LATER]);
    assert_eq!(due(&mut parking, 5), [1, 3]);
    let after = HOLDING_MS_MAX;
    assert_eq!(
        offsets(parking.take_holding(after)),
        [0_i64; 0],
        "nothing is done"
    );
    parking.finish(1);
    parking.finish(3);
    assert_eq!(
        offsets(parking.take_holding(after - 1)),
        [0_i64; 0],
        "too early"
    );
    let near = LATER - HOLDING_MS_MAX + 1;
    assert_eq!(offsets(parking.take_holding(near)), [0_i64; 0], "due soon");
    assert_eq!(
        offsets(parking.take_holding(after)),
        [0, 2],
        "4 holds up nothing"
    );
    parking.finish(0);
    parking.finish(2);
    assert_eq!(parking.committable(), Some(4));
}

#[test]
fn at_the_end_all_that_hold_up_are_written_again() {
    let mut parking = parked(&[50, 5, LATER]);
    assert_eq!(due(&mut parking, 5), [1]);
    parking.finish(1);
    assert_eq!(offsets(parking.take_holding_at_the_end()), [0]);
}

#[test]
fn when_there_is_no_room_those_due_last_go() {
    let due: Vec<i64> = (0..WAITING_MAX as i64)
        .map(|number| LATER + number)
        .collect();
    let mut parking = parked(&due);
    assert!(!parking.has_room());
    assert_eq!(parking.take_holding(HOLDING_MS_MAX - 1).len(), 0);
    let moved = offsets(parking.take_holding(HOLDING_MS_MAX));
    assert_eq!(moved.len(), WAITING_MAX / 4);
    assert_eq!(moved.first(), Some(&(WAITING_MAX as i64 - 1)));
    assert!(parking.has_room());
    let mut large = Parking::default();
    large.park(0, 1, 0, WAITING_BYTES_MAX, 0);
    assert!(!large.has_room());
    large.take_due(1);
    assert!(large.has_room());
}

proptest! {
    /// Whatever comes and goes, what may be committed never passes a record that is not done,
    /// and no record is lost or comes out twice.
    #[test]
    fn nothing_is_lost_or_committed_early(
        steps in prop::collection::vec((0_u8..4, 0_i64..200_000), 1..200),
    ) {
        let mut parking = Parking::default();
        let (mut next, mut now) = (0, 0);
        let mut under_way = Vec::new();
        let mut open: std::collections::BTreeSet<i64> = Default::default();
        for (step, number) in steps {
            match step {
                0 => {
                    parking.park(next, now + number, next, 1, now);
                    open.insert(next);
                    next += 1;
                }
                1 => {
                    now += number / 4;
                    under_way.extend(due(&mut parking, now));
                }
                2 => under_way.extend(offsets(parking.take_holding(now))),
                _ if !under_way.is_empty() => {
                    let index = usize::try_from(number).unwrap_or(0) % under_way.len();
                    let done = under_way.swap_remove(index);
                    prop_assert!(open.remove(&done), "{done} came out twice");
                    parking.finish(done);
                }
                _ => {}
            }
            let expected = open.first().copied().unwrap_or(next);
            prop_assert_eq!(parking.committable().unwrap_or(0), expected);
        }
        under_way.extend(due(&mut parking, i64::MAX));
        under_way.sort_unstable();
        prop_assert!(under_way.iter().eq(open.iter()));
    }
}
