//! `milena dlq`: looking at dead letters, sending them back, deleting them.
//!
//! What happens is the library's (`milena::dead_letter`); these commands read arguments and show
//! results.

mod filter;
mod letter_name;
mod list;
mod purge;
mod redrive;
mod show;
mod time;

use clap::Subcommand;
use milena::dead_letter::{DeadLetterAdmin, DeadLetterError};
use milena_client::ClientConfig;
use milena_client::producer::ProducerConfig;

use crate::cluster::{ClusterArguments, connect};
use crate::failure::Failure;

/// The commands on dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show which topics have dead letters, what failed in them, or each letter.
    List(list::Arguments),
    /// Show one letter: where it came from, what failed, what is in it.
    Show(show::Arguments),
    /// Send letters back to where they came from; shows what would go unless told --execute.
    Redrive(redrive::Arguments),
    /// Delete letters for good; shows what would go unless told --execute.
    Purge(purge::Arguments),
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => Box::pin(list::run(arguments)).await,
        Command::Show(arguments) => Box::pin(show::run(arguments)).await,
        Command::Redrive(arguments) => Box::pin(redrive::run(arguments)).await,
        Command::Purge(arguments) => Box::pin(purge::run(arguments)).await,
    }
}

async fn admin(cluster: &ClusterArguments) -> Result<DeadLetterAdmin, Failure> {
    let mut properties = cluster.properties()?;
    // Reading a topic must not make it.
    let client = ClientConfig::take_from(&mut properties)?.allow_auto_create_topics(false);
    let producer = ProducerConfig::take_from(&mut properties)?;
    properties.finish()?;
    Ok(DeadLetterAdmin::with_client(
        &connect(client).await?,
        producer,
    ))
}

/// Who does it, unless `--by` says so.
fn user() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

impl From<DeadLetterError> for Failure {
    fn from(error: DeadLetterError) -> Failure {
        match error {
            DeadLetterError::Client(error) => error.into(),
            DeadLetterError::NoPartition { .. }
            | DeadLetterError::NoDestination { .. }
            | DeadLetterError::Loop { .. } => Failure::Usage(error.to_string()),
            other => Failure::Run(other.to_string()),
        }
    }
}

/// Text from records for a line on a terminal: no control characters, not too long.
fn line(text: &str, characters_max: usize) -> String {
    let mut line: String = text
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .take(characters_max)
        .collect();
    if text.chars().nth(characters_max).is_some() {
        line.push('…');
    }
    line
}
