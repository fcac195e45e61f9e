use super::*;

fn parked(topic: &str, offset: i64) -> Parked<()> {
    Parked {
        offset,
        due_ms: 0,
        topic: topic.into(),
        bytes: 1,
        since_ms: offset,
        record: (),
    }
}

fn offsets(parked: impl IntoIterator<Item = Parked<()>>) -> Vec<i64> {
    parked.into_iter().map(|parked| parked.offset).collect()
}

fn begin_all(lanes: &mut Lanes<()>) -> Vec<i64> {
    offsets(std::iter::from_fn(|| lanes.begin()))
}

#[test]
fn a_topic_that_is_stuck_holds_up_no_other() {
    let mut lanes = Lanes::default();
    for offset in 0..20 {
        lanes.push(parked("stuck", offset));
    }
    let next = HANDLED_AT_ONCE_MAX as i64;
    assert_eq!(begin_all(&mut lanes), (0..next).collect::<Vec<_>>());
    lanes.push(parked("fine", 20));
    lanes.push(parked("fine", 21));
    assert_eq!(begin_all(&mut lanes), [20, 21]);
    lanes.finish("fine");
    lanes.finish("stuck");
    assert_eq!(begin_all(&mut lanes), [next]);
    let left = offsets(lanes.take_if(|_| true));
    assert_eq!(left, (next + 1..20).collect::<Vec<_>>());
    assert_eq!(begin_all(&mut lanes), [0_i64; 0]);
}

#[test]
fn some_that_wait_can_be_taken_out() {
    let mut lanes = Lanes::default();
    for offset in 0..6 {
        lanes.push(parked("many", offset));
    }
    lanes.push(parked("few", 6));
    assert_eq!(
        offsets(lanes.take_if(|one| one.offset % 2 == 0)),
        [6, 0, 2, 4]
    );
    assert_eq!(offsets(lanes.take_last(5, |one| one.since_ms > 1)), [5, 3]);
    assert_eq!(begin_all(&mut lanes), [1]);
    assert_eq!(offsets(lanes.take_last(5, |_| true)), [0_i64; 0]);
}
