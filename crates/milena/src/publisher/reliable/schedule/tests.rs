use proptest::prelude::*;

use super::*;

impl Weighed for u32 {
    fn bytes(&self) -> usize {
        1 + *self as usize
    }
}

fn schedule() -> Schedule<u32> {
    Schedule::new(
        Retry::exponential(Duration::from_secs(1))
            .jitter(0.0)
            .cap(Duration::from_secs(8))
            .attempts(6),
    )
}

#[test]
fn delays_double_up_to_the_cap_and_end() {
    let schedule = schedule();
    let verdicts: Vec<Verdict> = (1..=6)
        .map(|failed| schedule.judge(failed, ErrorClass::Retriable, 0.5))
        .collect();
    let seconds = [1, 2, 4, 8, 8].map(|seconds| Verdict::Retry(Duration::from_secs(seconds)));
    assert_eq!(verdicts[..5], seconds);
    assert_eq!(verdicts[5], Verdict::GiveUp);
}

#[test]
fn only_retriable_failures_are_retried() {
    let schedule = schedule();
    for class in [ErrorClass::NonRetriable, ErrorClass::Terminal] {
        assert_eq!(schedule.judge(1, class, 0.5), Verdict::GiveUp);
    }
}

#[test]
fn a_drained_schedule_gives_up_what_waits_and_what_comes() {
    let now = Instant::now();
    let mut schedule = schedule();
    schedule.retry_at(now + Duration::from_secs(2), 2);
    schedule.retry_at(now + Duration::from_secs(1), 1);
    schedule.drain();
    schedule.retry_at(now, 3);
    assert_eq!(
        schedule.judge(1, ErrorClass::Retriable, 0.5),
        Verdict::GiveUp
    );
    for message in 1..=3 {
        assert_eq!(schedule.next_action(now), Some(Action::Bury(message)));
    }
    assert_eq!((schedule.next_action(now), schedule.len()), (None, 0));
    assert_eq!(schedule.bytes(), 0);
}

#[test]
fn bytes_are_those_of_what_is_kept() {
    let now = Instant::now();
    let mut schedule = schedule();
    schedule.retry_at(now, 1);
    schedule.retry_at(now + Duration::from_secs(1), 10);
    schedule.bury(100);
    assert_eq!(schedule.bytes(), 2 + 11 + 101);
    assert_eq!(schedule.next_action(now), Some(Action::Bury(100)));
    assert_eq!(schedule.next_action(now), Some(Action::Resend(1)));
    assert_eq!(schedule.bytes(), 11);
    assert_eq!((schedule.take_waiting(), schedule.bytes()), (vec![10], 0));
}

proptest! {
    /// Each message comes out once, not before it is due, and in the order of due times;
    /// of those due together, the first that failed comes first.
    #[test]
    fn every_message_comes_out_once_in_time(
        delays in prop::collection::vec(0_u64..50, 0..200),
        step_ms in 1_u64..20,
        drain_at in prop::option::of(0_u64..60),
    ) {
        let start = Instant::now();
        let mut schedule = schedule();
        for (message, delay) in (0_u32..).zip(&delays) {
            schedule.retry_at(start + Duration::from_millis(*delay), message);
        }
        let mut out = Vec::new();
        for tick in 0..=60 {
            let passed = tick * step_ms;
            if drain_at == Some(tick) {
                schedule.drain();
            }
            while let Some(action) = schedule.next_action(start + Duration::from_millis(passed)) {
                match action {
                    Action::Resend(message) => {
                        prop_assert!(delays[message as usize] <= passed);
                        out.push(message);
                    }
                    Action::Bury(message) => {
                        prop_assert!(drain_at.is_some_and(|drained| drained <= tick));
                        out.push(message);
                    }
                }
            }
            let bytes: usize = schedule.iter().map(u32::bytes).sum();
            prop_assert_eq!(schedule.bytes(), bytes);
            let next = schedule.next_due();
            prop_assert!(next.is_none_or(|due| due > start + Duration::from_millis(passed)));
        }
        let mut expected: Vec<u32> = (0_u32..).take(delays.len()).collect();
        expected.sort_by_key(|message| (delays[*message as usize], *message));
        prop_assert_eq!(out, expected);
    }
}
