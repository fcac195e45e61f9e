use super::*;

const WINDOWS: Windows = Windows {
    count: 11,
    length: Duration::from_secs(1),
};

#[test]
fn a_burst_within_what_the_windows_allow_is_free() {
    let now = Instant::now();
    let mut rate = Rate::default();
    rate.record(1000.0, WINDOWS, now);
    assert_eq!(rate.pause(100.0, WINDOWS, now), Duration::ZERO);
}

#[test]
fn the_pause_lasts_until_the_excess_is_made_up_for() {
    let now = Instant::now();
    let mut rate = Rate::default();
    rate.record(1200.0, WINDOWS, now);
    assert_eq!(rate.pause(100.0, WINDOWS, now), Duration::from_secs(2));
    let after = now + Duration::from_secs(10);
    assert_eq!(rate.pause(100.0, WINDOWS, after), Duration::from_secs(2));
}

#[test]
fn usage_is_forgotten_when_its_windows_are_over() {
    let now = Instant::now();
    let mut rate = Rate::default();
    for second in 0..5 {
        let at = now + Duration::from_secs(second);
        rate.record(1000.0, WINDOWS, at);
    }
    let at = now + Duration::from_secs(11);
    assert!(!rate.is_idle(WINDOWS, at));
    assert_eq!(rate.pause(400.0, WINDOWS, at), Duration::ZERO);
    assert!(rate.is_idle(WINDOWS, now + Duration::from_secs(15)));
}

#[test]
fn in_the_long_run_as_much_is_used_as_is_allowed() {
    let start = Instant::now();
    let mut now = start;
    let mut rate = Rate::default();
    let mut used = 0.0;
    while now < start + Duration::from_secs(100) {
        rate.record(50.0, WINDOWS, now);
        used += 50.0;
        now += rate
            .pause(100.0, WINDOWS, now)
            .max(Duration::from_millis(10));
    }
    // The first ten seconds are given at once.
    assert!((10_000.0..=11_500.0).contains(&used), "{used}");
}
