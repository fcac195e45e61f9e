//! `milena group forget`.

use clap::Args;

use super::partitions::chosen;
use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::print;
use crate::partition_list::PartitionName;

/// What to forget.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The group's id.
    #[arg(value_name = "GROUP")]
    group: String,

    /// All partitions of this topic; may be given more than once. Without -t and --partition, all
    /// that the group has committed.
    #[arg(short = 't', long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,

    /// One partition; may be given more than once.
    #[arg(long = "partition", value_name = "TOPIC:PARTITION")]
    partitions: Vec<PartitionName>,

    /// Do it; without this, what would be forgotten is shown.
    #[arg(long, alias = "execute")]
    yes: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let group = arguments.group.as_str();
    let partitions = chosen(&admin, group, &arguments.topics, &arguments.partitions).await?;
    if !arguments.yes {
        for partition in partitions {
            print(&format!("would forget the offset of {partition}"))?;
        }
        return Err(Failure::usage("nothing was forgotten; add --yes to do it"));
    }
    let mut first_failure = None;
    for (partition, result) in admin.delete_offsets(group, &partitions).await? {
        match result {
            Ok(()) => print(&format!("forgot the offset of {partition}"))?,
            Err(error) => {
                first_failure.get_or_insert(Failure::from(error));
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}
