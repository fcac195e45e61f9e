//! `cargo xtask budgets`: instructions per message of the hot paths, held against checked-in budgets.
//!
//! Owns how they are counted (callgrind, inside functions named `measured_…`, as the difference of
//! two lengths, so that neither start-up nor a busy machine shows) and when a change fails. The work
//! itself is the program in `budgets/`.

use crate::beside::{Output, Work};
use crate::lint::cargo;
use crate::steps::{Outcome, Steps, run_command};
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is counted.
const WORKS: [&str; 5] = ["encode", "decode", "enqueue", "complete", "publish"];
/// The two lengths whose difference counts.
const MESSAGES: [u64; 2] = [12_000, 36_000];
/// Machines copy memory with different instructions; a regression is more than that.
const TOLERANCE: f64 = 0.03;
const PACKAGE: &str = "milena-budgets";
/// The program people build. Built in one go with ours, it shares all it needs with it.
const PROGRAM_PACKAGE: &str = "milena-cli";
const FILE: &str = "budgets/budgets.json";

#[derive(Args)]
pub(crate) struct BudgetArguments {
    /// Write what was counted as the new budgets
    #[arg(long)]
    update: bool,
}

/// Instructions per message, by work.
type Counts = BTreeMap<String, f64>;

pub(crate) fn run(arguments: &BudgetArguments) -> Result<()> {
    if let Some(reason) = why_unavailable() {
        bail!(reason);
    }
    let counts = count_all()?;
    let budgets = read_budgets()?;
    print!("{}", table(&counts, &budgets));
    if arguments.update {
        let text = serde_json::to_string_pretty(&counts)? + "\n";
        return fs::write(workspace::root().join(FILE), text).context("cannot write the budgets");
    }
    check(&counts, &budgets).map(drop)
}

/// Builds for release, ahead of [`step`].
pub(crate) const BUILD: Work = Work {
    name: "release build",
    run: build_release,
};

pub(crate) fn step(steps: &mut Steps) {
    steps.run("instruction budgets", || {
        if let Some(reason) = why_unavailable() {
            return Ok(Outcome::Skipped(reason));
        }
        let counts = count_all()?;
        let budgets = read_budgets()?;
        print!("{}", table(&counts, &budgets));
        Ok(Outcome::Passed(check(&counts, &budgets)?))
    });
}

fn why_unavailable() -> Option<String> {
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--version").stdin(Stdio::null());
    let runs = valgrind
        .output()
        .is_ok_and(|output| output.status.success());
    (!runs).then(|| "valgrind was not found, on Debian: apt-get install valgrind".to_owned())
}

fn read_budgets() -> Result<Counts> {
    let file = workspace::root().join(FILE);
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
}

fn count_all() -> Result<Counts> {
    let program = build()?;
    let [short, long] = MESSAGES;
    let count = |work: &str| {
        let less = instructions(&program, work, short)?;
        let more = instructions(&program, work, long)?;
        let per_message = more.saturating_sub(less) as f64 / (long - short) as f64;
        ensure!(per_message > 1.0, "{work}: nothing was counted");
        Ok((work.to_owned(), (per_message * 10.0).round() / 10.0))
    };
    WORKS.into_iter().map(count).collect()
}

fn build_release(output: &Output) -> Result<Outcome> {
    run_command(output.of(&mut release_build())?)
}

fn release_build() -> Command {
    let packages = ["--package", PACKAGE, "--package", PROGRAM_PACKAGE];
    let mut command = cargo(&["build", "--release"]);
    command.args(packages);
    command
}

/// Builds what is not built yet; returns the program that is measured.
fn build() -> Result<PathBuf> {
    run_command(&mut release_build())?;
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let target = metadata["target_directory"]
        .as_str()
        .context("cargo metadata names no target directory")?;
    Ok(Path::new(target).join("release").join(PACKAGE))
}

fn instructions(program: &Path, work: &str, messages: u64) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=*measured_*",
        ])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args([work, &messages.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("cannot run valgrind")?;
    ensure!(
        output.status.success(),
        "{work} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let text = fs::read_to_string(&file).context("callgrind left no result")?;
    total(&text).with_context(|| format!("{work}: callgrind's result has no total"))
}

/// The number in the line `totals: 12345`.
fn total(callgrind: &str) -> Option<u64> {
    let line = callgrind
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    line?.trim().parse().ok()
}

fn table(counts: &Counts, budgets: &Counts) -> String {
    let mut text = format!(
        "{:<10} {:>12} {:>8} {:>8}\n",
        "work", "instructions", "budget", "change"
    );
    for (work, count) in counts {
        let budget = budgets.get(work).copied();
        let shown = budget.map_or("-".to_owned(), |budget| format!("{budget:.1}"));
        let change = budget.map_or(0.0, |budget| (count / budget - 1.0) * 100.0);
        writeln!(text, "{work:<10} {count:>12.1} {shown:>8} {change:>+7.1}%")
            .expect("invariant: a String takes all text");
    }
    text
}

/// What to say when every budget is kept.
fn check(counts: &Counts, budgets: &Counts) -> Result<String> {
    let mut said = Vec::new();
    for (work, count) in counts {
        let budget = budgets
            .get(work)
            .with_context(|| format!("{work} has no budget: cargo xtask budgets --update"))?;
        ensure!(
            *count <= budget * (1.0 + TOLERANCE),
            "{work} takes {count:.1} instructions a message, its budget is {budget:.1}: make it \
             cheaper, or raise the budget with `cargo xtask budgets --update` and say why"
        );
        said.push(format!("{work} {count:.0}"));
    }
    Ok(said.join(", "))
}

#[cfg(test)]
mod tests;
