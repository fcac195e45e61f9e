//! `milena group`: consumer groups, their members and how far they are behind.

mod describe;
mod list;

use clap::Subcommand;

use crate::failure::Failure;

/// The commands on groups.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List consumer groups.
    List(list::Arguments),
    /// Show the members of a group, and how far it is behind on each partition.
    Describe(describe::Arguments),
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments).await,
        Command::Describe(arguments) => describe::run(arguments).await,
    }
}
