//! Runs named steps one after another and sums up what passed, failed and was skipped.
//!
//! Owns how a run is told to a person. A failed step does not keep the next one from running, so
//! that one run shows everything that is wrong. Knows nothing of what the steps do.

use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Set to `1` where everything has to run: a step that cannot run is a failure then.
pub(crate) const REQUIRE_VARIABLE: &str = "MILENA_REQUIRE_KAFKA";

/// How a step ended, apart from failing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With what there is to say about it, possibly nothing.
    Passed(String),
    /// With the reason, as a sentence.
    Skipped(String),
}

/// The steps of a run so far.
#[derive(Debug)]
pub(crate) struct Steps {
    rows: Vec<Row>,
    skip_is_failure: bool,
}

#[derive(Debug)]
struct Row {
    name: String,
    verdict: Verdict,
    detail: String,
    duration: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Skipped,
    Failed,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped => "SKIPPED",
            Self::Failed => "FAILED",
        }
    }
}

impl Steps {
    pub(crate) fn new(skip_is_failure: bool) -> Self {
        Self {
            rows: Vec::new(),
            skip_is_failure,
        }
    }

    /// A run that heeds [`REQUIRE_VARIABLE`].
    pub(crate) fn from_environment() -> Self {
        Self::new(std::env::var(REQUIRE_VARIABLE).is_ok_and(|value| value == "1"))
    }

    /// Runs one step, says so before and after.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Outcome>) {
        eprintln!("==> {name}");
        let started = Instant::now();
        let ended = step();
        self.add(name, ended, started.elapsed());
    }

    /// Takes in how a step ended.
    pub(crate) fn add(&mut self, name: &str, ended: Result<Outcome>, duration: Duration) {
        let (verdict, detail) = match ended {
            Ok(Outcome::Passed(detail)) => (Verdict::Passed, detail),
            Ok(Outcome::Skipped(reason)) if self.skip_is_failure => (
                Verdict::Failed,
                format!("{REQUIRE_VARIABLE}=1 does not allow to skip it: {reason}"),
            ),
            Ok(Outcome::Skipped(reason)) => (Verdict::Skipped, reason),
            Err(error) => (Verdict::Failed, format!("{error:#}")),
        };
        if verdict != Verdict::Passed {
            eprintln!("==> {name} {}: {detail}", verdict.name());
        }
        self.rows.push(Row {
            name: name.to_owned(),
            verdict,
            detail,
            duration,
        });
    }

    /// Prints the table; success only when nothing failed.
    pub(crate) fn finish(&self) -> ExitCode {
        println!("\n{}", self.table());
        if self.count(Verdict::Failed) == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        let rows = self.rows.iter();
        rows.filter(|row| row.verdict == verdict).count()
    }

    fn table(&self) -> String {
        let widths = self.rows.iter().map(|row| row.name.chars().count());
        let width = widths.max().unwrap_or(0);
        let mut text = String::new();
        for row in &self.rows {
            let line = format!(
                "{:<width$}  {:<7}  {:>6.1} s  {}",
                row.name,
                row.verdict.name(),
                row.duration.as_secs_f64(),
                row.detail,
            );
            writeln!(text, "{}", line.trim_end()).expect("invariant: a String takes all text");
        }
        text + &format!(
            "{} passed, {} skipped, {} failed",
            self.count(Verdict::Passed),
            self.count(Verdict::Skipped),
            self.count(Verdict::Failed),
        )
    }
}

/// Runs a command to its end with its output shown.
pub(crate) fn run_command(command: &mut Command) -> Result<Outcome> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(Outcome::Passed(String::new()))
}

/// Runs a Rust test runner to its end with its output shown; returns how many tests passed.
pub(crate) fn run_tests(command: &mut Command) -> Result<usize> {
    watch_tests(command, |_| {})
}

/// As [`run_tests`], for tests that leave themselves out where they cannot run and say so in a line
/// with `skipped: ` and the reason.
pub(crate) fn run_skippable_tests(command: &mut Command) -> Result<Outcome> {
    let mut skipped = None;
    let passed = watch_tests(command, |line| {
        let reason = line.split_once("skipped: ").map(|(_, reason)| reason);
        skipped = skipped.take().or(reason.map(str::to_owned));
    })?;
    Ok(match skipped {
        Some(reason) => Outcome::Skipped(reason),
        None => Outcome::Passed(format!("{passed} tests")),
    })
}

fn watch_tests(command: &mut Command, mut each_line: impl FnMut(&str)) -> Result<usize> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let output = child.stdout.take().expect("invariant: stdout is piped");
    let mut passed = 0;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        each_line(&line);
        passed += passed_in(&line).unwrap_or(0);
    }
    let status = child.wait()?;
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(passed)
}

/// The count in a closing line such as `test result: ok. 12 passed; 0 failed; …`.
fn passed_in(line: &str) -> Option<usize> {
    let counts = line.strip_prefix("test result: ")?;
    let (before, _) = counts.split_once(" passed;")?;
    before.rsplit(' ').next()?.parse().ok()
}

fn shown(command: &Command) -> String {
    let mut text = String::new();
    for part in std::iter::once(command.get_program()).chain(command.get_args()) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&part.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests;
