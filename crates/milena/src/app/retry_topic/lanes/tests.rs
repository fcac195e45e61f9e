use super::*;

fn begin_all(lanes: &mut Lanes<()>) -> Vec<(String, i64)> {
    std::iter::from_fn(|| lanes.begin().map(|begun| (begun.topic, begun.offset))).collect()
}

#[test]
fn a_topic_that_is_stuck_holds_up_no_other() {
    let mut lanes = Lanes::default();
    for offset in 0..20 {
        lanes.push("stuck", offset, ());
    }
    let begun = begin_all(&mut lanes);
    let expected: Vec<_> = (0..HANDLED_AT_ONCE_MAX as i64)
        .map(|offset| ("stuck".to_owned(), offset))
        .collect();
    assert_eq!(begun, expected);
    lanes.push("fine", 20, ());
    lanes.push("fine", 21, ());
    let fine = |offset| ("fine".to_owned(), offset);
    assert_eq!(begin_all(&mut lanes), [fine(20), fine(21)]);
    lanes.finish("fine");
    lanes.finish("stuck");
    let next = HANDLED_AT_ONCE_MAX as i64;
    assert_eq!(begin_all(&mut lanes), [("stuck".to_owned(), next)]);
    let left: Vec<i64> = lanes
        .take_waiting()
        .iter()
        .map(|(offset, ())| *offset)
        .collect();
    assert_eq!(left, (next + 1..20).collect::<Vec<_>>());
    assert_eq!(begin_all(&mut lanes), []);
}

#[test]
fn lanes_are_bounded() {
    let mut lanes = Lanes::default();
    for offset in 0..WAITING_MAX as i64 {
        assert!(lanes.has_room());
        lanes.push("orders", offset, ());
    }
    assert!(!lanes.has_room());
    assert!(lanes.begin().is_some());
    assert!(lanes.has_room());
}
