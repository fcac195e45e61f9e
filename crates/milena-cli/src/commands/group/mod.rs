//! `milena group`: consumer groups, their members and how far they are behind.

mod delete;
mod describe;
mod forget;
mod list;
mod partitions;
mod remove_member;
mod reset;

use clap::Subcommand;

use crate::failure::Failure;

/// The commands on groups.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List consumer groups.
    List(list::Arguments),
    /// Show the members of a group, and how far it is behind on each partition.
    Describe(describe::Arguments),
    /// Set what a group has committed; shows the plan unless told --execute.
    Reset(reset::Arguments),
    /// Take back what a group has committed; shows what would go unless told --yes.
    Forget(forget::Arguments),
    /// Delete groups with what they have committed; shows what would go unless told --yes.
    Delete(delete::Arguments),
    /// Have members leave a group.
    RemoveMember(remove_member::Arguments),
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments).await,
        Command::Describe(arguments) => describe::run(arguments).await,
        Command::Reset(arguments) => reset::run(arguments).await,
        Command::Forget(arguments) => forget::run(arguments).await,
        Command::Delete(arguments) => delete::run(arguments).await,
        Command::RemoveMember(arguments) => remove_member::run(arguments).await,
    }
}
