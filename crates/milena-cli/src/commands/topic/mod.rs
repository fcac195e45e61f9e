//! `milena topic`: what there is, and making and deleting it.

mod add_partitions;
mod create;
mod delete;
mod describe;
mod list;

use clap::Subcommand;

use crate::failure::Failure;

/// The commands on topics.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create topics.
    Create(create::Arguments),
    /// Give a topic more partitions.
    AddPartitions(add_partitions::Arguments),
    /// List topics.
    List(list::Arguments),
    /// Show the partitions of topics.
    Describe(describe::Arguments),
    /// Delete topics and all their records; shows what would go unless told --yes.
    Delete(delete::Arguments),
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create::run(arguments).await,
        Command::AddPartitions(arguments) => add_partitions::run(arguments).await,
        Command::List(arguments) => list::run(arguments).await,
        Command::Describe(arguments) => describe::run(arguments).await,
        Command::Delete(arguments) => delete::run(arguments).await,
    }
}
