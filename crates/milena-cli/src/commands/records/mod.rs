//! `milena records`: what is done to the records of partitions as a whole.

mod delete;

use clap::Subcommand;

use crate::failure::Failure;

/// The commands on records.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Delete the records at the front of partitions; shows what would go unless told --yes.
    Delete(delete::Arguments),
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Delete(arguments) => delete::run(arguments).await,
    }
}
