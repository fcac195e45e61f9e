//! Counts what became of every record of the demo, by its number, independently of the
//! application's own counts.

use std::collections::HashMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// One hour; a latency beyond it counts as one hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// What became of each record.
pub(super) struct Tally {
    outcomes: Vec<Outcome>,
    /// The latest number handled of each key.
    last_of_key: HashMap<String, usize>,
    order_violations: Vec<String>,
    latency_us: Histogram<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    handled: u32,
    dead_lettered: u32,
}

/// The sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    /// Records that were handled.
    pub(super) handled: usize,
    /// Records in the dead letter topic.
    pub(super) dead_lettered: usize,
    /// Records that were neither.
    pub(super) lost: usize,
    /// Records that were both, or either more than once.
    pub(super) repeated: usize,
}

impl Tally {
    pub(super) fn new(records: usize) -> Tally {
        Tally {
            outcomes: vec![Outcome::default(); records],
            last_of_key: HashMap::new(),
            order_violations: Vec::new(),
            latency_us: Histogram::new_with_max(LATENCY_US_MAX, 3)
                .expect("invariant: three digits up to an hour is a legal histogram"),
        }
    }

    /// Record `number` was handled. A repetition is no violation of its key's order: it
    /// is what at-least-once means.
    pub(super) fn handled(&mut self, number: usize, key: Option<&str>, latency: Duration) {
        let Some(outcome) = self.outcomes.get_mut(number) else {
            return;
        };
        outcome.handled += 1;
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_US_MAX);
        self.latency_us.saturating_record(micros);
        if outcome.handled > 1 {
            return;
        }
        let Some(key) = key else { return };
        match self.last_of_key.get_mut(key) {
            None => {
                self.last_of_key.insert(key.to_owned(), number);
            }
            Some(last) if *last < number => *last = number,
            Some(last) => self.order_violations.push(format!(
                "record {number} of key {key:?} was handled after record {last}"
            )),
        }
    }

    /// Record `number` was found in the dead letter topic.
    pub(super) fn dead_lettered(&mut self, number: usize) {
        if let Some(outcome) = self.outcomes.get_mut(number) {
            outcome.dead_lettered += 1;
        }
    }

    pub(super) fn totals(&self) -> Totals {
        let count = |test: fn(&Outcome) -> bool| {
            self.outcomes.iter().filter(|outcome| test(outcome)).count()
        };
        Totals {
            handled: count(|outcome| outcome.handled > 0),
            dead_lettered: count(|outcome| outcome.dead_lettered > 0),
            lost: count(|outcome| outcome.handled + outcome.dead_lettered == 0),
            repeated: count(|outcome| outcome.handled + outcome.dead_lettered > 1),
        }
    }

    /// The first handling out of its key's order, and how many there were.
    pub(super) fn order_violations(&self) -> Option<(&str, usize)> {
        self.order_violations
            .first()
            .map(|first| (first.as_str(), self.order_violations.len()))
    }

    /// The latency that `quantile` (0.0 to 1.0) of the handled records stayed within.
    pub(super) fn latency(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.latency_us.value_at_quantile(quantile))
    }
}

#[cfg(test)]
mod tests;
