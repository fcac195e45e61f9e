//! `milena topic create`.

use clap::Args;
use milena_client::admin::{CreateMode, NewTopic};

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::print;

/// What to create.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Names of the topics.
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,

    /// Number of partitions; the broker's default when left out.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=100_000))]
    partitions: Option<i32>,

    /// How many brokers have each record; the broker's default when left out.
    #[arg(long, value_parser = clap::value_parser!(i16).range(1..=1_000))]
    replication_factor: Option<i16>,

    /// Set a property of the topics under Kafka's name; may be given more than once.
    #[arg(long = "config", value_name = "NAME=VALUE")]
    configs: Vec<String>,

    /// Topics that exist already are fine as they are.
    #[arg(long)]
    if_not_exists: bool,

    /// Only check that the topics could be created.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let topics = arguments
        .topics
        .iter()
        .map(|name| new_topic(name, &arguments))
        .collect::<Result<Vec<_>, _>>()?;
    let mode = if arguments.dry_run {
        CreateMode::ValidateOnly
    } else {
        CreateMode::Create
    };
    let admin = arguments.cluster.admin().await?;
    let mut first_failure = None;
    for (name, result) in admin.create_topics(&topics, mode).await? {
        match result {
            Ok(created) => {
                let verb = if arguments.dry_run {
                    "can create"
                } else {
                    "created"
                };
                let partitions = created
                    .partitions
                    .map_or_else(String::new, |count| format!(" with {count} partitions"));
                print(&format!("{verb} {name}{partitions}"))?;
            }
            Err(error) if arguments.if_not_exists && is_there_already(&error) => {
                print(&format!("{name} exists"))?;
            }
            Err(error) => {
                first_failure.get_or_insert(Failure::from(error));
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

fn new_topic(name: &str, arguments: &Arguments) -> Result<NewTopic, Failure> {
    let mut topic = NewTopic::new(name);
    if let Some(partitions) = arguments.partitions {
        topic = topic.partitions(partitions);
    }
    if let Some(factor) = arguments.replication_factor {
        topic = topic.replication_factor(factor);
    }
    for config in &arguments.configs {
        let (name, value) = config
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--config {config}: write it as NAME=VALUE")))?;
        topic = topic.config(name, value);
    }
    Ok(topic)
}

fn is_there_already(error: &milena_client::Error) -> bool {
    error.code() == Some(milena_client::ErrorCode::TopicAlreadyExists)
}
