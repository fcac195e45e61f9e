use proptest::prelude::*;

use super::*;

const PAUSE: Duration = Duration::from_secs(10);

fn circuit() -> Circuit {
    Circuit::new(Breaker::after(3).pause(PAUSE))
}

fn opened(now: Instant) -> Circuit {
    let mut circuit = circuit();
    (0..3).for_each(|_| circuit.on_failure(now));
    circuit
}

#[test]
fn only_failures_in_a_row_open_it() {
    let now = Instant::now();
    let mut circuit = circuit();
    for _ in 0..10 {
        circuit.on_failure(now);
        circuit.on_failure(now);
        circuit.on_success();
    }
    assert_eq!(circuit.state(), BreakerState::Closed);
    assert_eq!(opened(now).state(), BreakerState::Open);
}

#[test]
fn a_probe_that_arrives_closes_it() {
    let now = Instant::now();
    let mut circuit = opened(now);
    assert_eq!(circuit.ask(now), Err(now + PAUSE));
    assert_eq!(circuit.ask(now + PAUSE), Ok(()));
    assert_eq!(circuit.state(), BreakerState::HalfOpen);
    // One probe at a time.
    assert_eq!(circuit.ask(now + PAUSE), Err(now + PAUSE + PAUSE));
    circuit.on_success();
    assert_eq!(circuit.ask(now + PAUSE), Ok(()));
    assert_eq!(circuit.ask(now + PAUSE), Ok(()));
}

#[test]
fn a_probe_that_fails_opens_it_again() {
    let now = Instant::now();
    let mut circuit = opened(now);
    assert_eq!(circuit.ask(now + PAUSE), Ok(()));
    let later = now + PAUSE + Duration::from_secs(1);
    circuit.on_failure(later);
    assert_eq!(circuit.ask(later), Err(later + PAUSE));
}

proptest! {
    /// Whatever happens: while it is not closed at most one message passes a pause, and
    /// asking at the time it names always lets one pass.
    #[test]
    fn it_never_floods_and_never_sticks(events in prop::collection::vec(0_u8..4, 0..200)) {
        let mut now = Instant::now();
        let mut circuit = circuit();
        let mut last_probe: Option<Instant> = None;
        for event in events {
            match event {
                0 => now += Duration::from_secs(3),
                1 => circuit.on_failure(now),
                2 => circuit.on_success(),
                _ => {
                    let was_closed = circuit.state() == BreakerState::Closed;
                    if was_closed {
                        last_probe = None;
                    }
                    match circuit.ask(now) {
                        Ok(()) if was_closed => {}
                        Ok(()) => {
                            prop_assert!(last_probe.is_none_or(|last| last + PAUSE <= now));
                            last_probe = Some(now);
                        }
                        Err(until) => {
                            prop_assert!(!was_closed && until > now);
                            now = until;
                            prop_assert_eq!(circuit.ask(now), Ok(()));
                            last_probe = Some(now);
                        }
                    }
                }
            }
            if circuit.state() == BreakerState::Closed {
                last_probe = None;
            }
        }
    }
}
