//! `milena config`: the settings of topics and brokers.

mod alter;
mod describe;

use clap::{Args, Subcommand};
use milena_client::NodeId;
use milena_client::admin::ConfigResource;

use crate::failure::Failure;

/// The commands on settings.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show settings, and where their values come from.
    Describe(describe::Arguments),
    /// Change settings.
    Alter(alter::Arguments),
}

/// Whose settings are meant.
#[derive(Debug, Args)]
#[group(required = true)]
pub(crate) struct Subjects {
    /// A topic; may be given more than once.
    #[arg(short = 't', long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,

    /// A broker by its id; may be given more than once.
    #[arg(long = "broker", value_name = "ID")]
    broker_ids: Vec<i32>,

    /// What counts for all brokers that do not set it themselves.
    #[arg(long)]
    broker_defaults: bool,
}

impl Subjects {
    fn resources(&self) -> Vec<ConfigResource> {
        let topics = self.topics.iter().cloned().map(ConfigResource::Topic);
        let brokers = self.broker_ids.iter().copied().map(NodeId);
        let defaults = self
            .broker_defaults
            .then_some(ConfigResource::BrokerDefaults);
        topics
            .chain(brokers.map(ConfigResource::Broker))
            .chain(defaults)
            .collect()
    }
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
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Describe(arguments) => describe::run(arguments).await,
        Command::Alter(arguments) => alter::run(arguments).await,
    }
}
