use super::*;

const MIB: usize = 1024 * 1024;

fn report(size: &FetchSize, took_ms: u64, is_awaited: bool) -> FetchReport {
    FetchReport {
        bytes_asked: size.ask(usize::MAX),
        bytes_received: size.ask(usize::MAX),
        took: Duration::from_millis(took_ms),
        is_awaited,
    }
}

#[test]
fn a_long_way_is_worth_large_responses_up_to_what_is_allowed() {
    let mut size = FetchSize::new(50 * MIB);
    assert_eq!(size.ask(100 * MIB), 2 * MIB);
    for expected in [4, 8, 16, 32, 50, 50] {
        size.on_answer(report(&size, 80, true));
        assert_eq!(size.ask(100 * MIB), expected * MIB);
    }
    assert_eq!(size.ask(MIB), MIB);
    // The next broker is near.
    for expected in [25 * MIB, 25 * MIB / 2, 25 * MIB / 4, 25 * MIB / 8, 2 * MIB] {
        size.on_answer(report(&size, 1, true));
        assert_eq!(size.ask(100 * MIB), expected);
    }
}

#[test]
fn a_response_nobody_waits_for_and_one_that_waits_for_records_change_nothing() {
    let mut size = FetchSize::new(50 * MIB);
    size.on_answer(report(&size, 80, false));
    assert_eq!(size.ask(usize::MAX), 2 * MIB);
    let mut few = report(&size, 500, true);
    few.bytes_received = 1000;
    size.on_answer(few);
    assert_eq!(size.ask(usize::MAX), 2 * MIB);
}

#[test]
fn less_than_the_first_size_may_be_allowed() {
    let mut size = FetchSize::new(1000);
    assert_eq!(size.ask(usize::MAX), 1000);
    size.on_answer(report(&size, 1, true));
    assert_eq!(size.ask(usize::MAX), 1000);
}
