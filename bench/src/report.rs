//! The rows of a run: medians, JSON, a table.

use crate::usage::Usage;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// What one client used for one kind of work, the median of all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) work: &'static str,
    pub(crate) partitions: i32,
    pub(crate) broker: &'static str,
    pub(crate) codec: &'static str,
    pub(crate) client: &'static str,
    pub(crate) messages: u64,
    pub(crate) cpu_ns_per_message: f64,
    pub(crate) messages_per_s: f64,
    pub(crate) peak_mb: f64,
    /// The median time of an awaited message, where that was measured.
    pub(crate) p50_us: Option<f64>,
}

impl Row {
    /// Sets the measured columns from `rounds`, which must not be empty.
    pub(crate) fn with_median_of(mut self, rounds: &[Usage]) -> Self {
        let messages = self.messages.max(1) as f64;
        let of = |value: fn(&Usage) -> u64| median(rounds.iter().map(value).collect()) as f64;
        self.cpu_ns_per_message = rounded(of(|usage| usage.cpu_ns) / messages);
        self.messages_per_s = (messages / (of(|usage| usage.wall_ns) / 1e9)).round();
        self.peak_mb = rounded(of(|usage| usage.peak_kb) / 1024.0);
        let medians: Vec<u64> = rounds.iter().filter_map(|usage| usage.p50_ns).collect();
        self.p50_us = (!medians.is_empty()).then(|| rounded(median(medians) as f64 / 1e3));
        self
    }
}

/// Writes one JSON array, one row a line.
pub(crate) fn write_json(rows: &[Row], path: &Path) -> Result<()> {
    let lines: Vec<String> = rows
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<_, _>>()?;
    std::fs::write(path, format!("[\n{}\n]\n", lines.join(",\n")))
        .with_context(|| format!("cannot write {}", path.display()))
}

pub(crate) fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.client.len()).max().unwrap_or(0);
    let mut text = format!(
        "{:<8} {:>10}  {:<7} {:<5} {:<width$} {:>10} {:>11} {:>13} {:>8} {:>8}\n",
        "work",
        "partitions",
        "broker",
        "codec",
        "client",
        "messages",
        "cpu ns/msg",
        "messages/s",
        "peak MB",
        "p50 us"
    );
    for row in rows {
        let p50 = row.p50_us.map_or("-".to_owned(), |p50| format!("{p50:.1}"));
        writeln!(
            text,
            "{:<8} {:>10}  {:<7} {:<5} {:<width$} {:>10} {:>11.1} {:>13.0} {:>8.1} {:>8}",
            row.work,
            row.partitions,
            row.broker,
            row.codec,
            row.client,
            row.messages,
            row.cpu_ns_per_message,
            row.messages_per_s,
            row.peak_mb,
            p50
        )
        .expect("invariant: a String takes all text");
    }
    text
}

pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
