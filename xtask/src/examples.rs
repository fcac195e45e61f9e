//! The examples, run as a newcomer runs them: each checks itself, and its exit code says whether what
//! it shows happened.
//!
//! Owns which there are. What they run on is the caller's.

use crate::steps::run_command;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// The programs; `examples/support` is what they share.
const NAMES: [&str; 5] = [
    "s0_clients",
    "s1_publishing",
    "s2_instance",
    "s3_pipeline",
    "s4_service",
];
/// Tells an example which cluster to use instead of an embedded broker.
const SERVERS_VARIABLE: &str = "MILENA_BOOTSTRAP_SERVERS";

/// Runs each from `folder`, on `servers` if any; returns how many there are.
pub(crate) fn run(folder: &Path, servers: Option<&str>) -> Result<usize> {
    for name in NAMES {
        eprintln!("--> {name}");
        let mut command = Command::new(folder.join(name));
        command.env_remove(SERVERS_VARIABLE);
        command.envs(servers.map(|servers| (SERVERS_VARIABLE, servers)));
        run_command(&mut command).with_context(|| format!("the example {name}"))?;
    }
    Ok(NAMES.len())
}
