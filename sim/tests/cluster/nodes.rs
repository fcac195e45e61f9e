//! The nodes of the cluster under test, changed through `cargo xtask kafka node`.

use anyhow::{Context, Result, ensure};
use milena_sim::target::BROKERS_VARIABLE;
use tokio::process::Command;

/// The built xtask, which knows the processes of the cluster.
const XTASK_VARIABLE: &str = "MILENA_XTASK";

pub(crate) struct Nodes {
    bootstrap: String,
    xtask: String,
}

impl Nodes {
    /// The cluster that the environment names; `None`, with a word, if it names none.
    pub(crate) fn from_environment() -> Result<Option<Self>> {
        let names = (
            std::env::var(BROKERS_VARIABLE),
            std::env::var(XTASK_VARIABLE),
        );
        let (Ok(bootstrap), Ok(xtask)) = names else {
            eprintln!("skipped: {BROKERS_VARIABLE} and {XTASK_VARIABLE} name no cluster");
            return Ok(None);
        };
        let nodes = Self { bootstrap, xtask };
        ensure!(
            nodes.count() >= 3,
            "{} is no cluster of three",
            nodes.bootstrap
        );
        Ok(Some(nodes))
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) fn count(&self) -> u16 {
        u16::try_from(self.bootstrap.split(',').count()).unwrap_or(u16::MAX)
    }

    /// `kill`, `pause`, `resume` or `start` of a node, counted from 1.
    pub(crate) async fn change(&self, change: &str, node: u16) -> Result<()> {
        let first = self.bootstrap.split(',').next().unwrap_or_default();
        let (_, port) = first.rsplit_once(':').context("no port")?;
        let status = Command::new(&self.xtask)
            .args(["kafka", "node", change, &node.to_string(), "--port", port])
            .status()
            .await
            .context("cannot run xtask")?;
        ensure!(status.success(), "cannot {change} node {node}");
        Ok(())
    }
}
