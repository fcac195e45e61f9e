use super::*;

/// Asked at a time in milliseconds for so many letters: when they may go.
fn check(rate: u32, asked: &[(u64, u64, u64)]) {
    let start = Instant::now();
    let mut pace = Pace::new(NonZeroU32::new(rate), start);
    for (now, letters, expected) in asked {
        let send_at = pace.send_at(start + Duration::from_millis(*now), *letters);
        assert_eq!(
            send_at - start,
            Duration::from_millis(*expected),
            "{letters} at {now} ms"
        );
    }
}

#[test]
fn letters_wait_for_those_before_them() {
    check(
        100,
        &[
            (0, 100, 0),
            (200, 100, 1_000),
            (1_050, 50, 2_000),
            (2_000, 1, 2_500),
        ],
    );
}

#[test]
fn a_pause_is_not_made_up_for() {
    check(
        100,
        &[(0, 1, 0), (600_000, 100, 600_000), (600_000, 100, 601_000)],
    );
}

#[test]
fn without_a_rate_nothing_waits() {
    check(0, &[(0, 500, 0), (0, 500, 0), (7, 500, 7)]);
}
