//! The `milena` command: arguments in, exit code out.
//!
//! Owns the command tree and the way errors reach the terminal: one line on
//! stderr and an exit code (see [`failure`]). What a command does lives in
//! [`commands`]; nothing here talks to a broker.

mod cluster;
mod commands;
mod failure;
mod output;
mod partition_list;
mod plan;
mod ports;
mod record;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;
use crate::failure::Failure;

/// Kafka messaging with everything included: a broker for development, and the
/// everyday commands for topics, records and consumer groups.
///
/// Exit codes: 0 done, 1 it did not work out (the broker refused, the
/// connection failed, a check did not hold), 2 wrong input.
#[derive(Debug, Parser)]
#[command(name = "milena", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if !error.use_stderr() => {
            // `--help` and `--version`. A closed pipe is not worth a word.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return report(&failure::from_clap(&error)),
    };
    if let Err(error) = milena::telemetry::init(arguments.command.log_default()) {
        return report(&Failure::usage(error.to_string()));
    }
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::run(format!("cannot start the runtime: {error}")))?;
    let outcome = runtime.block_on(command.run());
    // Reading standard input happens on a blocking thread that nothing can interrupt.
    runtime.shutdown_background();
    outcome
}

fn report(failure: &Failure) -> ExitCode {
    if !failure.is_quiet() {
        let _ = writeln!(std::io::stderr(), "error: {failure}");
    }
    failure.exit_code()
}
