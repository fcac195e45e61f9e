use std::time::Duration;

use futures_util::FutureExt as _;

use super::*;

const PAUSE: Duration = Duration::from_secs(10);

fn gate() -> Gate {
    Gate::new("orders".into(), Breaker::after(2).pause(PAUSE))
}

/// Whether a call may begin at once.
fn passes(gate: &Gate) -> bool {
    gate.pass(&StopFlag::default()).now_or_never().is_some()
}

#[tokio::test(start_paused = true)]
async fn it_shuts_after_failures_in_a_row_and_lets_one_probe_pass() {
    let gate = gate();
    gate.note(Sign::Down);
    gate.note(Sign::Up);
    gate.note(Sign::Down);
    assert!(gate.is_open() && passes(&gate), "not in a row");
    gate.note(Sign::None);
    gate.note(Sign::Down);
    assert_eq!(gate.state(), BreakerState::Open);
    assert!(!passes(&gate));
    let asked = Instant::now();
    assert!(gate.pass(&StopFlag::default()).await);
    assert!(asked.elapsed() >= PAUSE);
    assert_eq!(gate.state(), BreakerState::HalfOpen);
    assert!(!passes(&gate), "one probe at a time");
    gate.note(Sign::Down);
    assert_eq!(gate.state(), BreakerState::Open);
    tokio::time::advance(PAUSE).await;
    assert!(passes(&gate));
    gate.note(Sign::Up);
    assert!(gate.is_open() && passes(&gate));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_says_nothing_is_followed_by_another() {
    let gate = gate();
    gate.note(Sign::Down);
    gate.note(Sign::Down);
    tokio::time::advance(PAUSE).await;
    assert!(passes(&gate));
    gate.note(Sign::None);
    assert!(passes(&gate), "the next probe");
    assert!(!gate.is_open());
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_let_in_by_a_success_and_sent_away_by_a_stop() {
    let gate = Arc::new(gate());
    gate.note(Sign::Down);
    gate.note(Sign::Down);
    let stop = Arc::new(StopFlag::default());
    let wait = |gate: Arc<Gate>, stop: Arc<StopFlag>| async move { gate.pass(&stop).await };
    let first = tokio::spawn(wait(gate.clone(), stop.clone()));
    tokio::task::yield_now().await;
    gate.note(Sign::Up);
    assert!(first.await.unwrap());
    gate.note(Sign::Down);
    gate.note(Sign::Down);
    let second = tokio::spawn(wait(gate.clone(), stop.clone()));
    tokio::task::yield_now().await;
    stop.raise();
    assert!(!second.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_take_turns_as_probes() {
    let gate = Arc::new(gate());
    gate.note(Sign::Down);
    gate.note(Sign::Down);
    let (probes, mut probed) = tokio::sync::mpsc::channel(100);
    for name in ["a", "b", "c"] {
        let (gate, probes) = (gate.clone(), probes.clone());
        tokio::spawn(async move {
            while gate.pass(&StopFlag::default()).await {
                let _ = probes.send(name).await;
                gate.note(Sign::Down);
            }
        });
    }
    for _ in 0..3 {
        let mut turn = Vec::new();
        for _ in 0..3 {
            turn.push(probed.recv().await.unwrap());
        }
        turn.sort_unstable();
        assert_eq!(turn, ["a", "b", "c"]);
    }
}

#[test]
fn each_record_that_is_given_up_lets_the_next_have_twice_as_many_attempts() {
    let gate = gate();
    assert_eq!(gate.attempts_max(5), 5);
    // A batch is given up as a whole.
    gate.give_up_after(5);
    gate.give_up_after(5);
    assert_eq!(gate.attempts_max(5), 10);
    gate.give_up_after(10);
    assert_eq!((gate.attempts_max(5), gate.attempts_max(50)), (20, 50));
    gate.note(Sign::Down);
    gate.note(Sign::Up);
    assert_eq!(gate.attempts_max(5), 5);
}

#[test]
fn only_failures_that_may_pass_are_a_sign() {
    for (error, expected) in [
        (HandlerError::retriable("down"), Sign::Down),
        (HandlerError::non_retriable("no"), Sign::None),
        (HandlerError::decode("json", "no"), Sign::None),
        (HandlerError::panicked(&"oh"), Sign::None),
        (HandlerError::terminal("fire"), Sign::None),
    ] {
        assert_eq!(Sign::of(&error), expected, "{error}");
    }
}
