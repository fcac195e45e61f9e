//! What the demo came to: the table, and whether it is good.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use super::handler::lock;
use super::tally::Tally;
use crate::failure::Failure;
use crate::output::print;

/// The numbers of a run.
pub(super) struct Report {
    pub(super) published: usize,
    /// Attempts after a record's first.
    pub(super) retries: u64,
    /// As read back from the dead letter topic.
    pub(super) dead_letters: usize,
    pub(super) lag: i64,
    pub(super) elapsed: Duration,
    pub(super) tally: Arc<Mutex<Tally>>,
}

impl Report {
    /// Prints the table.
    pub(super) fn print(&self) -> Result<(), Failure> {
        let tally = lock(&self.tally);
        let totals = tally.totals();
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        let order = match tally.order_violations() {
            None => "held".to_owned(),
            Some((_, count)) => format!("broken {count} times"),
        };
        let rows = [
            ("published", self.published.to_string()),
            ("handled", totals.handled.to_string()),
            ("retried", self.retries.to_string()),
            ("dead-lettered", self.dead_letters.to_string()),
            ("lost", totals.lost.to_string()),
            ("repeated", totals.repeated.to_string()),
            ("lag", self.lag.to_string()),
            ("order per key", order),
            (
                "records per second",
                format!("{:.0}", self.published as f64 / seconds),
            ),
            ("latency p50", milliseconds(tally.latency(0.5))),
            ("latency p99", milliseconds(tally.latency(0.99))),
        ];
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        for (name, value) in rows {
            table.add_row([name.to_owned(), value]);
        }
        if let Some(values) = table.column_mut(1) {
            values.set_cell_alignment(CellAlignment::Right);
        }
        print(&table.to_string())
    }

    /// Success only if everything held.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let tally = lock(&self.tally);
        let totals = tally.totals();
        let mut problems = Vec::new();
        if self.published != totals.handled + self.dead_letters || totals.lost > 0 {
            problems.push(format!(
                "{} records were published, but {} handled and {} dead-lettered",
                self.published, totals.handled, self.dead_letters
            ));
        }
        if let Some((first, _)) = tally.order_violations() {
            problems.push(first.to_owned());
        }
        if self.lag != 0 {
            problems.push(format!("the group lags {} records behind", self.lag));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Failure::run(problems.join("; ")))
        }
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
