//! `milena topic config` and `milena broker config`: the settings that the cluster keeps.
//!
//! Owns showing and changing them. Whose they are is for `topic` and `broker` to say.

mod alter;
mod describe;

use clap::{Args, Subcommand};
use milena_client::admin::ConfigResource;

use crate::failure::Failure;

/// The commands on the settings of `S`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command<S: Subjects> {
    /// Show settings, and where their values come from.
    Describe(describe::Arguments<S>),
    /// Change settings.
    Alter(alter::Arguments<S>),
}

/// Whose settings are meant.
pub(crate) trait Subjects: Args + std::fmt::Debug {
    fn resources(&self) -> Vec<ConfigResource>;
}

/// How a resource is called in what is shown.
fn title(resource: &ConfigResource) -> String {
    match resource {
        ConfigResource::Topic(name) => format!("topic {name}"),
        ConfigResource::Broker(node) => format!("broker {}", node.0),
        ConfigResource::BrokerDefaults => "all brokers".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Runs one of them.
pub(crate) async fn run<S: Subjects>(command: Command<S>) -> Result<(), Failure> {
    match command {
        Command::Describe(arguments) => describe::run(arguments).await,
        Command::Alter(arguments) => alter::run(arguments).await,
    }
}
