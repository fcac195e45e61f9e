//! `milena topic add-partitions`.

use clap::Args;
use milena_client::admin::{ChangeMode, NewPartitions};

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::print;

/// What to add to.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Name of the topic.
    #[arg(value_name = "TOPIC")]
    topic: String,

    /// How many partitions it is to have in all. Keys go to other partitions afterwards.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=100_000))]
    total: i32,

    /// Only check that it could be done.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (mode, verb) = if arguments.dry_run {
        (ChangeMode::ValidateOnly, "can have")
    } else {
        (ChangeMode::Apply, "has")
    };
    let topics = [NewPartitions::total(&arguments.topic, arguments.total)];
    let admin = arguments.cluster.admin().await?;
    for (name, result) in admin.create_partitions(&topics, mode).await {
        result?;
        print(&format!("{name} {verb} {} partitions", arguments.total))?;
    }
    Ok(())
}
