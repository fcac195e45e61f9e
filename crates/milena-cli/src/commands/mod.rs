//! The commands, one file each.
//!
//! Every command is a clap `Args` struct named `Arguments` and an async `run`
//! that turns it into an exit code by way of [`Failure`].

mod broker;

use clap::Subcommand;

use crate::failure::Failure;

/// The command tree.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a single-node broker for development and tests.
    Broker(broker::Arguments),
}

impl Command {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Command::Broker(arguments) => broker::run(arguments).await,
        }
    }
}
