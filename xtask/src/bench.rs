//! `cargo xtask bench`: builds the benchmark workspace and runs it.
//!
//! Knows only how to call it: what is measured lives in `bench/`, a workspace of its own so that
//! the C library of its peer is never part of ours.

use crate::kafka;
use crate::lint::cargo;
use crate::steps::run_command;
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Also write the rows to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fewer messages and one round: shows that it works, not how fast
    #[arg(long)]
    quick: bool,
    /// How often each row is measured; the median counts. 5 unless told
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Only rows whose work, broker or client contains this word; may be repeated
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
}

pub(crate) fn run(arguments: &BenchArguments) -> Result<()> {
    let mut command = cargo(&[
        "run",
        "--release",
        "--quiet",
        "--manifest-path",
        "bench/Cargo.toml",
        "--",
        "run",
    ]);
    if let Some(json) = &arguments.json {
        // The path is meant from where the user stands, the command runs in the root.
        let json =
            std::path::absolute(json).with_context(|| format!("{} is no path", json.display()))?;
        command.arg("--json").arg(json);
    }
    if arguments.quick {
        command.arg("--quick");
    }
    if let Some(rounds) = arguments.rounds {
        command.args(["--rounds", &rounds.to_string()]);
    }
    for word in &arguments.only {
        command.args(["--only", word]);
    }
    // Without the jars the bench says that the Java client was not measured, and why.
    if let Ok(jars) = kafka::ensure_jars(kafka::VERSION_DEFAULT) {
        command.env("MILENA_KAFKA_JARS", jars);
    }
    run_command(&mut command)?;
    Ok(())
}
