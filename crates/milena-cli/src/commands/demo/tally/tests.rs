use super::*;

const LATENCY: Duration = Duration::from_millis(2);

#[test]
fn every_record_counts_once() {
    let mut tally = Tally::new(4);
    tally.handled(0, Some("a"), LATENCY);
    tally.handled(1, Some("a"), LATENCY);
    tally.handled(0, Some("a"), LATENCY);
    tally.dead_lettered(2);
    tally.handled(99, None, LATENCY);
    let expected = Totals {
        handled: 2,
        dead_lettered: 1,
        lost: 1,
        repeated: 1,
    };
    assert_eq!(tally.totals(), expected);
    assert_eq!(tally.order_violations(), None);
    assert_eq!(tally.latency(0.5).as_millis(), 2);
}

#[test]
fn order_is_per_key() {
    let mut tally = Tally::new(4);
    tally.handled(2, Some("a"), LATENCY);
    tally.handled(1, Some("b"), LATENCY);
    assert_eq!(tally.order_violations(), None);
    tally.handled(0, Some("a"), LATENCY);
    let first = "record 0 of key \"a\" was handled after record 2";
    assert_eq!(tally.order_violations(), Some((first, 1)));
}
