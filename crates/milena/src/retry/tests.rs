use super::*;

fn check(retry: Retry, random: f64, expected_ms: &[u64]) {
    let delays: Vec<u64> = (1..)
        .map_while(|failed| retry.delay_after(failed, random))
        .map(|delay| delay.as_millis() as u64)
        .collect();
    assert_eq!(delays, expected_ms);
}

#[test]
fn delays_double_up_to_the_cap() {
    let retry = Retry::exponential(Duration::from_secs(1))
        .cap(Duration::from_secs(5))
        .attempts(6);
    check(retry, 0.5, &[1000, 2000, 4000, 5000, 5000]);
}

#[test]
fn jitter_spreads_both_ways() {
    let retry = Retry::exponential(Duration::from_millis(1000))
        .attempts(3)
        .jitter(0.5);
    check(retry, 0.0, &[500, 1000]);
    check(retry, 1.0, &[1500, 3000]);
    check(retry.jitter(0.0), 1.0, &[1000, 2000]);
}

#[test]
fn attempts_come_to_an_end() {
    check(Retry::none(), 0.5, &[]);
    check(Retry::fixed(Duration::from_millis(7)).attempts(0), 0.5, &[]);
    check(
        Retry::fixed(Duration::from_millis(7)).attempts(3),
        0.5,
        &[7, 7],
    );
}

#[test]
fn huge_numbers_do_not_overflow() {
    let retry = Retry::exponential(Duration::MAX)
        .cap(Duration::MAX)
        .attempts(u32::MAX)
        .jitter(1.0);
    assert_eq!(retry.delay_after(4_000_000_000, 1.0), Some(Duration::MAX));
    let retry = Retry::exponential(Duration::from_secs(1))
        .attempts(u32::MAX)
        .jitter(0.0);
    assert_eq!(
        retry.delay_after(4_000_000_000, 0.3),
        Some(Duration::from_secs(30))
    );
}
