use proptest::prelude::*;

use super::*;
use crate::app::retry_topic::limits::HANDLED_AT_ONCE_MAX;

const LATER: i64 = 10 * HOLDING_MS_MAX;

fn record(topic: &str, offset: i64, due_ms: i64, now_ms: i64) -> Parked<()> {
    Parked {
        offset,
        due_ms,
        topic: topic.into(),
        bytes: 10,
        since_ms: now_ms,
        record: (),
    }
}

/// Parks offsets 0, 1, … with these due times at time 0.
fn parked(due: &[i64]) -> Parking<()> {
    let mut parking = Parking::new(Sharing::Topics);
    for (offset, due_ms) in (0..).zip(due) {
        parking.park(record("orders", offset, *due_ms, 0));
    }
    parking
}

/// Those that are due, while none holds up the next.
fn due(parking: &mut Parking<()>, now_ms: i64) -> Vec<i64> {
    let begun = std::iter::from_fn(|| {
        let begun = parking.begin(now_ms)?;
        parking.end(&begun.topic);
        Some(begun)
    });
    begun.map(|begun| begun.offset).collect()
}

fn offsets(taken: Vec<Parked<()>>) -> Vec<i64> {
    taken.into_iter().map(|parked| parked.offset).collect()
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
}

#[test]
fn what_is_due_counts_until_it_begins() {
    let mut parking = Parking::new(Sharing::Topics);
    let bytes = WAITING_BYTES_MAX / HANDLED_AT_ONCE_MAX;
    let mut offset = 0;
    let mut fill = |parking: &mut Parking<()>| {
        while parking.has_room() {
            let mut large = record("stuck", offset, 0, 0);
            large.bytes = bytes;
            parking.park(large);
            offset += 1;
        }
        offset
    };
    assert_eq!(fill(&mut parking), HANDLED_AT_ONCE_MAX as i64);
    let begun = std::iter::from_fn(|| parking.begin(1)).count();
    assert_eq!(begun, HANDLED_AT_ONCE_MAX);
    assert_eq!(fill(&mut parking), 2 * HANDLED_AT_ONCE_MAX as i64);
    assert!(parking.begin(1).is_none());
    assert!(!parking.has_room(), "they are due, and wait nevertheless");
}

/// Fills all room with records of a topic that is paused: one of another topic behind them.
fn full_of(sharing: Sharing) -> Parking<()> {
    let mut parking = Parking::new(sharing);
    for offset in 0..WAITING_MAX as i64 {
        parking.park(record("stuck", offset, 0, 0));
    }
    parking
}

#[test]
fn a_topic_that_takes_all_room_does_not_hold_up_others() {
    let mut parking = full_of(Sharing::Topics);
    parking.put_back(record("fine", WAITING_MAX as i64, 0, 0));
    let begun: Vec<i64> = std::iter::from_fn(|| parking.begin(1))
        .map(|begun| begun.offset)
        .collect();
    assert!(begun.contains(&(WAITING_MAX as i64)), "it has its own lane");
    for offset in 0..HANDLED_AT_ONCE_MAX as i64 {
        parking.put_back(record("stuck", offset, 0, 0));
    }
    assert!(!parking.has_room());
    assert_eq!(parking.take_holding(HOLDING_MS_MAX - 1).len(), 0);
    let moved = offsets(parking.take_holding(HOLDING_MS_MAX));
    assert_eq!(moved.len(), WAITING_MAX / 4);
    assert_eq!(moved.first(), Some(&(WAITING_MAX as i64 - 1)), "due last");
    assert!(parking.has_room(), "for what is behind them");
}

#[test]
fn a_topic_alone_waits_where_it_is() {
    let mut parking = full_of(Sharing::OneTopic);
    assert!(parking.begin(1).is_some());
    parking.park(record("stuck", WAITING_MAX as i64, 0, 0));
    assert!(!parking.has_room());
    assert_eq!(parking.take_holding(HOLDING_MS_MAX).len(), 0);
}

#[test]
fn a_paused_topic_does_not_hold_up_the_commit_for_long() {
    let mut parking = Parking::new(Sharing::Topics);
    for offset in 0..10 {
        parking.park(record("stuck", offset, 0, 0));
    }
    parking.park(record("fine", 10, 0, 0));
    parking.park(record("stuck", 11, 0, 0));
    let mut begun: Vec<_> = std::iter::from_fn(|| parking.begin(1)).collect();
    let at_work = HANDLED_AT_ONCE_MAX as i64;
    parking.finish(10);
    let soon = HOLDING_MS_MAX - 1;
    assert_eq!(offsets(parking.take_holding(soon)), [0_i64; 0], "too early");
    begun.retain(|one| parking.holds_for_long(one, HOLDING_MS_MAX));
    let moved = offsets(parking.take_holding(HOLDING_MS_MAX));
    assert_eq!(
        moved,
        (at_work..10).collect::<Vec<_>>(),
        "11 holds up nothing"
    );
    let held = offsets(begun);
    assert_eq!(held, (0..at_work).collect::<Vec<_>>());
    moved
        .into_iter()
        .chain(held)
        .for_each(|one| parking.finish(one));
    assert_eq!(parking.committable(), Some(11));
}

#[test]
fn what_was_given_back_is_written_again_at_the_end() {
    let mut parking = Parking::new(Sharing::Topics);
    for (offset, topic) in ["stuck", "stuck", "fine", "stuck"].iter().enumerate() {
        parking.park(record(topic, offset as i64, 0, 0));
    }
    let begun: Vec<_> = std::iter::from_fn(|| parking.begin(1)).collect();
    parking.finish(2);
    let given_back = begun.into_iter().filter(|one| one.offset != 2);
    given_back.for_each(|one| parking.put_back(one));
    assert_eq!(offsets(parking.take_holding_at_the_end()), [0, 1]);
    parking.finish(0);
    parking.finish(1);
    assert_eq!(parking.committable(), Some(3));
}

proptest! {
    /// Whatever comes and goes, what may be committed never passes a record that is not done,
    /// and no record is lost or comes out twice.
    #[test]
    fn nothing_is_lost_or_committed_early(
        steps in prop::collection::vec((0_u8..4, 0_i64..200_000), 1..200),
    ) {
        let mut parking = Parking::new(Sharing::Topics);
        let (mut next, mut now) = (0, 0);
        let mut under_way = Vec::new();
        let mut open: std::collections::BTreeSet<i64> = Default::default();
        for (step, number) in steps {
            match step {
                0 => {
                    parking.park(record("orders", next, now + number, now));
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
