use super::*;

const FIRST: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(10);

fn pause(reconnect: &Reconnect, now: Instant) -> Duration {
    reconnect
        .not_before()
        .map_or(Duration::ZERO, |not_before| not_before - now)
}

fn assert_about(pause: Duration, expected: Duration) {
    let (low, high) = (expected.mul_f64(0.8), expected.mul_f64(1.2));
    assert!(
        low <= pause && pause <= high,
        "{pause:?} is not {expected:?} ± 20 %"
    );
}

#[test]
fn the_first_attempt_starts_at_once() {
    assert_eq!(Reconnect::new(FIRST, MAX).not_before(), None);
}

#[test]
fn pitfall_22_pauses_grow_while_attempts_fail() {
    let mut reconnect = Reconnect::new(FIRST, MAX);
    let now = Instant::now();
    for expected_ms in [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
        reconnect.failed(now);
        assert_about(pause(&reconnect, now), Duration::from_millis(expected_ms));
    }
}

#[test]
fn pitfall_22_a_broker_that_accepts_and_drops_is_not_hammered() {
    let mut reconnect = Reconnect::new(FIRST, MAX);
    let now = Instant::now();
    for expected_ms in [100, 200, 400] {
        reconnect.connected(now);
        reconnect.lost(now + Duration::from_millis(1));
        let closed_at = now + Duration::from_millis(1);
        assert_about(
            pause(&reconnect, closed_at),
            Duration::from_millis(expected_ms),
        );
    }
}

#[test]
fn a_connection_that_lasted_starts_over() {
    let mut reconnect = Reconnect::new(FIRST, MAX);
    let now = Instant::now();
    for _ in 0..5 {
        reconnect.failed(now);
    }
    reconnect.connected(now);
    assert_eq!(reconnect.not_before(), None);
    reconnect.lost(now + MAX);
    assert_about(pause(&reconnect, now + MAX), FIRST);
}

#[test]
fn a_loss_counts_once() {
    let mut reconnect = Reconnect::new(FIRST, MAX);
    let now = Instant::now();
    reconnect.connected(now);
    reconnect.lost(now);
    let not_before = reconnect.not_before();
    reconnect.lost(now);
    assert_eq!(reconnect.not_before(), not_before);
}
