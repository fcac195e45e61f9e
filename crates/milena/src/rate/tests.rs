use proptest::prelude::*;

use super::*;

#[test]
fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    let now = Instant::now();
    let mut bucket = Bucket::new(RateLimit::per_second(10).burst(3), now);
    let waits: Vec<u128> = (0..5)
        .map(|_| (bucket.take(now) - now).as_millis())
        .collect();
    assert_eq!(waits, [0, 0, 0, 100, 200]);
    // A quiet second fills it, and no more than that.
    let later = now + Duration::from_secs(2);
    let waits: Vec<u128> = (0..4)
        .map(|_| (bucket.take(later) - later).as_millis())
        .collect();
    assert_eq!(waits, [0, 0, 0, 100]);
}

/// Messages that go together wait for those before them; a pause is not made up for.
#[test]
fn those_that_go_together_take_as_many_turns() {
    let start = Instant::now();
    let mut bucket = Bucket::new(RateLimit::per_second(100), start);
    for (now_ms, messages, expected_ms) in [
        (0, 100, 0),
        (200, 100, 1_000),
        (1_050, 50, 2_000),
        (2_000, 1, 2_500),
        (600_000, 100, 600_000),
        (600_000, 100, 601_000),
    ] {
        let now = start + Duration::from_millis(now_ms);
        let from = bucket.take_together(now, messages) - start;
        let expected = Duration::from_millis(expected_ms);
        assert_eq!(from, expected, "{messages} at {now_ms} ms");
    }
}

proptest! {
    /// In no span of time do more go than the burst and the rate allow.
    #[test]
    fn no_span_has_more_than_burst_and_rate(
        steps_ms in prop::collection::vec(0_u64..300, 1..100),
        rate in 1_u32..200,
        burst in 1_u32..20,
    ) {
        let start = Instant::now();
        let mut bucket = Bucket::new(RateLimit::per_second(rate).burst(burst), start);
        let mut now = start;
        let mut times = Vec::new();
        for step in steps_ms {
            now += Duration::from_millis(step);
            times.push(bucket.take(now));
        }
        for (first, from) in times.iter().enumerate() {
            for (last, to) in times.iter().enumerate().skip(first) {
                let count = (last - first + 1) as f64;
                let span = to.saturating_duration_since(*from).as_secs_f64();
                prop_assert!(count <= f64::from(burst) + span * f64::from(rate) * 1.001 + 1e-6);
            }
        }
    }
}
