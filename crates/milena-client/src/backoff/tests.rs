use super::*;

fn check(failures: u32, random: f64, expected_ms: u64) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    backoff.failures = failures;
    let delay = backoff.delay_with(random);
    assert_eq!(
        delay.as_millis() as u64,
        expected_ms,
        "after {failures} failures"
    );
}

#[test]
fn delays_double_up_to_the_cap() {
    check(0, 0.5, 100);
    check(1, 0.5, 200);
    check(3, 0.5, 800);
    check(4, 0.5, 1000);
    check(u32::MAX, 0.5, 1000);
}

#[test]
fn jitter_is_twenty_percent_to_both_sides() {
    check(0, 0.0, 80);
    check(0, 1.0, 120);
    check(10, 1.0, 1200);
}

#[test]
fn pitfall_22_two_clients_do_not_retry_in_step() {
    let delays: std::collections::HashSet<Duration> = (0..32)
        .map(|_| Backoff::new(Duration::from_secs(1), Duration::from_secs(10)).next_delay())
        .collect();
    assert!(delays.len() > 16, "{delays:?}");
}

#[test]
fn reset_starts_over() {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    for _ in 0..5 {
        backoff.next_delay();
    }
    backoff.reset();
    assert!(backoff.next_delay() <= Duration::from_millis(120));
}
