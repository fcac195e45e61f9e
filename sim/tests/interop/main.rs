//! Other people's clients against our broker, run as `milena broker`, and against our client.
//!
//! A test whose client is not installed says so and passes, unless `MILENA_REQUIRE_KAFKA=1`.

mod differential;
mod kcat;
mod python;
mod secured;

use anyhow::{Context, Result, ensure};
use milena_sim::program::{BrokerProcess, free_port};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const PROGRAM_WAIT: Duration = Duration::from_secs(60);

/// A broker of its own for one test, in memory.
async fn broker(properties: &[&str]) -> Result<BrokerProcess> {
    BrokerProcess::start(free_port()?, None, properties).await
}

/// Runs a program to its end with `input` on stdin; what it wrote to stdout.
async fn run(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().context("stdin is piped")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = tokio::time::timeout(PROGRAM_WAIT, child.wait_with_output())
        .await
        .with_context(|| format!("{command:?} did not end within {PROGRAM_WAIT:?}"))??;
    text_of(output).with_context(|| format!("{command:?}"))
}

fn text_of(output: Output) -> Result<String> {
    ensure!(
        output.status.success(),
        "it ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
