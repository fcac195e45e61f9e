//! Timers come due in their order, whatever order they were set in.

use std::time::Duration;

use super::*;
use crate::backoff::Backoff;
use crate::producer::window::SendWindow;

fn partition(index: i32) -> Arc<Partition> {
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let window = SendWindow::new(true, 5, None, backoff);
    Arc::new(Partition::new("t".into(), index, window))
}

/// Sets timers after so many milliseconds, one a partition, and looks each millisecond.
fn due(timers_ms: &[u64]) -> Vec<(u64, i32)> {
    let route = Route::new(NodeId(1));
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    for (index, ms) in (0..).zip(timers_ms) {
        route.push_timer(at(*ms), &partition(index));
    }
    let mut due = Vec::new();
    for now in 0..=100 {
        let next = route.advance(at(now), false);
        assert!(next.is_none_or(|next| next > at(now)));
        let ready = route.take_ready();
        due.extend(ready.iter().map(|partition| (now, partition.index)));
    }
    assert_eq!(route.advance(at(100), false), None);
    due
}

#[test]
fn lingers_come_due_one_after_the_other() {
    assert_eq!(due(&[5, 5, 7, 9]), [(5, 0), (5, 1), (7, 2), (9, 3)]);
}

#[test]
fn a_pause_among_lingers_keeps_its_place() {
    let expected = [(5, 0), (6, 2), (7, 3), (50, 1), (60, 4)];
    assert_eq!(due(&[5, 50, 6, 7, 60]), expected);
    assert_eq!(due(&[50, 6, 5]), [(5, 2), (6, 1), (50, 0)]);
}

#[test]
fn under_pressure_all_are_due() {
    let route = Route::new(NodeId(1));
    let now = Instant::now();
    for (index, seconds) in [(0, 5), (1, 9), (2, 1)] {
        route.push_timer(now + Duration::from_secs(seconds), &partition(index));
    }
    assert_eq!(route.advance(now, true), None);
    assert_eq!(route.take_ready().len(), 3);
}

#[test]
fn under_pressure_pauses_last_as_long_as_ever() {
    let route = Route::new(NodeId(1));
    let now = Instant::now();
    let second = Duration::from_secs(1);
    route.push_timer(now + 9 * second, &partition(0));
    route.push_pause(now + 3 * second, &partition(1));
    route.push_pause(now + 2 * second, &partition(2));
    let ready = |ready: VecDeque<Arc<Partition>>| -> Vec<i32> {
        ready.iter().map(|partition| partition.index).collect()
    };
    assert_eq!(route.advance(now, true), Some(now + 2 * second));
    assert_eq!(ready(route.take_ready()), [0]);
    assert_eq!(
        route.advance(now + 2 * second, true),
        Some(now + 3 * second)
    );
    assert_eq!(ready(route.take_ready()), [2]);
    assert_eq!(route.advance(now + 3 * second, false), None);
    assert_eq!(ready(route.take_ready()), [1]);
}
