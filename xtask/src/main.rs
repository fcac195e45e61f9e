//! Automation for this repository: `cargo xtask <command>`.
//!
//! Owns the command line of the automation and nothing else; each command lives in its own module.

mod bench;
mod beside;
mod budgets;
mod examples;
mod kafka;
mod lint;
mod steps;
mod test;
mod tidy;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use steps::Steps;

/// Automation for this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a real Apache Kafka from Maven's jars, for tests: no Docker, no installation
    #[command(subcommand)]
    Kafka(kafka::KafkaCommand),
    /// Check what the style asks for and a command can check; report file and function sizes
    Tidy,
    /// Run every test: on the embedded broker, then the conformance suite on Apache Kafka
    Test,
    /// Check formatting, clippy, tidy, documentation and each feature, then run every test
    Ci,
    /// Measure CPU per message against other clients, on our broker and on one that only acknowledges
    Bench(bench::BenchArguments),
    /// Count instructions per message of the hot paths and hold them against their budgets
    Budgets(budgets::BudgetArguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Kafka(command) => kafka::run(command),
        Command::Test => Ok(run_steps(|steps| test::run(steps, Vec::new()))),
        Command::Ci => Ok(run_steps(ci)),
        Command::Bench(arguments) => bench::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Budgets(arguments) => budgets::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Tidy => tidy::run().map(|()| ExitCode::SUCCESS),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn ci(steps: &mut Steps) {
    lint::run(steps);
    test::run(steps, [&lint::WORKS[..], &[budgets::BUILD]].concat());
    budgets::step(steps);
}

fn run_steps(run: impl FnOnce(&mut Steps)) -> ExitCode {
    let mut steps = Steps::from_environment();
    run(&mut steps);
    steps.finish()
}
