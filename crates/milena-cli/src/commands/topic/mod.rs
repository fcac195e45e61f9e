//! `milena topic`: what there is, making and deleting it, and its settings.

mod add_partitions;
mod create;
mod delete;
mod describe;
mod list;

use clap::{Args, Subcommand};
use milena_client::admin::ConfigResource;

use super::settings::{self, Subjects};
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
    /// Show and change the settings of topics.
    #[command(subcommand)]
    Config(settings::Command<Topics>),
}

/// The topics whose settings are meant.
#[derive(Debug, Args)]
pub(crate) struct Topics {
    /// The topics.
    #[arg(required = true, value_name = "TOPIC")]
    names: Vec<String>,
}

impl Subjects for Topics {
    fn resources(&self) -> Vec<ConfigResource> {
        let names = self.names.iter().cloned();
        names.map(ConfigResource::Topic).collect()
    }
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create::run(arguments).await,
        Command::AddPartitions(arguments) => add_partitions::run(arguments).await,
        Command::List(arguments) => list::run(arguments).await,
        Command::Describe(arguments) => describe::run(arguments).await,
        Command::Delete(arguments) => delete::run(arguments).await,
        Command::Config(command) => settings::run(command).await,
    }
}
