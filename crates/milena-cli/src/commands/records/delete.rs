//! `milena records delete`.

use clap::Args;
use milena_client::TopicPartition;
use milena_client::admin::{DeleteBefore, OffsetAt};

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::print;
use crate::partition_list::PartitionName;

/// What to delete.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Partitions to delete from.
    #[arg(required = true, value_name = "TOPIC:PARTITION")]
    partitions: Vec<PartitionName>,

    /// Delete the records before this offset.
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    before: Option<i64>,

    /// Delete all records that are there.
    #[arg(long, conflicts_with = "before")]
    all: bool,

    /// Do it; without this, what would be deleted is shown.
    #[arg(long, alias = "execute")]
    yes: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let before = match arguments.before {
        Some(offset) => DeleteBefore::Offset(offset),
        None if arguments.all => DeleteBefore::End,
        None => return Err(Failure::usage("give --before OFFSET, or --all")),
    };
    let partitions: Vec<TopicPartition> = arguments
        .partitions
        .iter()
        .map(|name| name.0.clone())
        .collect();
    let admin = arguments.cluster.admin().await?;
    if !arguments.yes {
        let starts = admin.list_offsets(&partitions, OffsetAt::Earliest).await?;
        let ends = admin.list_offsets(&partitions, OffsetAt::Latest).await?;
        for ((partition, start), (_, end)) in starts.into_iter().zip(ends) {
            let (start, end) = (start?.unwrap_or(0), end?.unwrap_or(0));
            let until = arguments.before.unwrap_or(end).min(end);
            let count = (until - start).max(0);
            print(&format!(
                "would delete up to {count} records of {partition}, before offset {until}"
            ))?;
        }
        return Err(Failure::usage(
            "nothing was deleted; add --yes to delete for good",
        ));
    }
    let asked: Vec<(TopicPartition, DeleteBefore)> = partitions
        .into_iter()
        .map(|partition| (partition, before))
        .collect();
    let mut first_failure = None;
    for (partition, result) in admin.delete_records(&asked).await {
        match result {
            Ok(start) => print(&format!("{partition} starts at offset {start}"))?,
            Err(error) => {
                first_failure.get_or_insert(Failure::from(error));
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}
