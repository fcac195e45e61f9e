use super::*;

const AGE_MAX: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

fn schedule() -> (Schedule, Instant) {
    (Schedule::new(AGE_MAX, PAUSE, PAUSE_MAX), Instant::now())
}

/// Runs refreshes with `outcome` as soon as each is due; returns the pauses between them.
fn pauses(schedule: &mut Schedule, mut now: Instant, outcome: Outcome, count: usize) -> Vec<u128> {
    let mut pauses = Vec::new();
    for _ in 0..count {
        schedule.started();
        schedule.finished(outcome, now);
        schedule.request(now);
        let due = schedule.due(now).expect("it was requested");
        pauses.push((due - now).as_millis());
        now = due;
    }
    pauses
}

#[test]
fn nothing_is_due_until_somebody_asks() {
    let (mut schedule, now) = schedule();
    assert_eq!(schedule.due(now), None);
    schedule.request(now);
    assert_eq!(schedule.due(now), Some(now));
}

#[test]
fn many_requests_become_one() {
    let (mut schedule, now) = schedule();
    for _ in 0..100 {
        schedule.request(now);
    }
    schedule.started();
    schedule.finished(Outcome::Changed, now);
    assert_eq!(schedule.due(now), Some(now + AGE_MAX));
}

#[test]
fn a_request_during_a_refresh_is_for_the_next() {
    let (mut schedule, now) = schedule();
    schedule.request(now);
    schedule.started();
    schedule.request(now);
    schedule.finished(Outcome::Changed, now);
    let due = schedule.due(now).expect("it was requested");
    assert!(due > now && due < now + 2 * PAUSE);
}

#[test]
fn pitfall_22_refreshes_without_effect_slow_down() {
    for outcome in [Outcome::Unchanged, Outcome::Failed] {
        let (mut schedule, now) = schedule();
        let pauses = pauses(&mut schedule, now, outcome, 6);
        for (pause, expected) in pauses.iter().zip([100, 200, 400, 800, 1000, 1000]) {
            assert!(
                (expected * 8 / 10..=expected * 12 / 10).contains(pause),
                "{outcome:?}: {pauses:?}"
            );
        }
    }
}

#[test]
fn refreshes_with_effect_stay_quick() {
    let (mut schedule, now) = schedule();
    let pauses = pauses(&mut schedule, now, Outcome::Changed, 6);
    assert!(pauses.iter().all(|pause| *pause <= 120), "{pauses:?}");
}

#[test]
fn a_failed_refresh_is_repeated() {
    let (mut schedule, now) = schedule();
    schedule.started();
    schedule.finished(Outcome::Failed, now);
    assert!(schedule.due(now).is_some_and(|due| due < now + AGE_MAX));
}

/// Also once what is known is old: a refused refresh that was due at once kept its task from ever
/// waiting, and with that from being aborted.
#[test]
fn a_refused_refresh_waits_for_a_request_or_for_its_age() {
    let (mut schedule, now) = schedule();
    schedule.started();
    schedule.finished(Outcome::Refused, now);
    assert_eq!(
        schedule.due(now),
        None,
        "nothing is known that could be old"
    );
    schedule.finished(Outcome::Changed, now);
    let old = now + AGE_MAX;
    assert_eq!(schedule.due(old), Some(old));
    schedule.started();
    schedule.finished(Outcome::Refused, old);
    let due = schedule.due(old).expect("by its age");
    assert!(due > old + AGE_MAX && due < old + AGE_MAX + 3 * PAUSE);
    schedule.request(old);
    let due = schedule.due(old).expect("it was requested");
    assert!(due > old && due < old + 3 * PAUSE);
}

/// However young metadata is to be.
#[test]
fn there_is_a_pause_after_a_refusal_whatever_the_age() {
    let now = Instant::now();
    let mut schedule = Schedule::new(Duration::ZERO, PAUSE, PAUSE_MAX);
    schedule.finished(Outcome::Changed, now);
    schedule.finished(Outcome::Refused, now);
    assert!(schedule.due(now).is_some_and(|due| due > now));
}

#[test]
fn after_a_rest_the_first_request_is_served_at_once_and_pauses_start_over() {
    let (mut schedule, now) = schedule();
    pauses(&mut schedule, now, Outcome::Unchanged, 6);
    schedule.started();
    let later = now + Duration::from_secs(60);
    schedule.request(later);
    assert_eq!(schedule.due(later), Some(later));
    schedule.started();
    schedule.finished(Outcome::Unchanged, later);
    schedule.request(later);
    assert!(
        schedule
            .due(later)
            .is_some_and(|due| due <= later + 2 * PAUSE)
    );
}
