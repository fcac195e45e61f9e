//! `milena group reset`.

use clap::Args;
use milena_client::admin::{PlannedOffset, ResetTo};
use milena_client::{Error, TopicPartition};
use serde::Serialize;

use super::partitions::chosen;
use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Rows, or_dash, show};
use crate::partition_list::PartitionName;
use crate::plan::PlanArguments;

/// What to reset.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The group's id; it must have no active members.
    #[arg(value_name = "GROUP")]
    group: String,

    #[command(flatten)]
    to: To,

    /// All partitions of this topic; may be given more than once. Without -t and --partition, all
    /// that the group has committed.
    #[arg(short = 't', long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,

    /// One partition; may be given more than once.
    #[arg(long = "partition", value_name = "TOPIC:PARTITION")]
    partitions: Vec<PartitionName>,

    #[command(flatten)]
    plan: PlanArguments,
}

/// Where to.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct To {
    /// To the first records that are still there.
    #[arg(long)]
    to_earliest: bool,

    /// Behind the last records.
    #[arg(long)]
    to_latest: bool,

    /// To the first records of this time or later, in milliseconds since 1970-01-01 UTC.
    #[arg(long, value_name = "MS")]
    to_timestamp: Option<i64>,

    /// To this offset.
    #[arg(long, value_name = "OFFSET")]
    to_offset: Option<i64>,

    /// Forward or, below 0, back from what is committed.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
}

impl To {
    fn target(&self) -> ResetTo {
        match self {
            To {
                to_timestamp: Some(ms),
                ..
            } => ResetTo::Timestamp(*ms),
            To {
                to_offset: Some(offset),
                ..
            } => ResetTo::Offset(*offset),
            To {
                shift_by: Some(by), ..
            } => ResetTo::Shift(*by),
            To {
                to_latest: true, ..
            } => ResetTo::Latest,
            _ => ResetTo::Earliest,
        }
    }
}

#[derive(Debug, Serialize)]
struct Change {
    topic: String,
    partition: i32,
    from: Option<i64>,
    to: Option<i64>,
    error: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let group = arguments.group.as_str();
    let partitions = chosen(&admin, group, &arguments.topics, &arguments.partitions).await?;
    let to = arguments.to.target();
    let results = if arguments.plan.execute {
        admin.reset_offsets(group, &partitions, to).await?
    } else {
        admin.plan_reset(group, &partitions, to).await?
    };
    let changes: Vec<Change> = results.iter().map(change).collect();
    show(arguments.plan.output, &changes, |_| rows(&changes))?;
    let failure = results.into_iter().find_map(|(_, result)| result.err());
    match failure {
        Some(error) => Err(error.into()),
        None => arguments
            .plan
            .finish("nothing was changed; add --execute to do it"),
    }
}

fn change((partition, result): &(TopicPartition, Result<PlannedOffset, Error>)) -> Change {
    let planned = result.as_ref().ok();
    Change {
        topic: partition.topic.to_string(),
        partition: partition.partition,
        from: planned.and_then(|planned| planned.from),
        to: planned.map(|planned| planned.to),
        error: result.as_ref().err().map(ToString::to_string),
    }
}

fn rows(changes: &[Change]) -> Rows {
    let rows = changes.iter().map(|change| {
        vec![
            change.topic.clone(),
            change.partition.to_string(),
            or_dash(change.from),
            or_dash(change.to),
            or_dash(change.error.as_ref()),
        ]
    });
    Rows {
        header: vec!["TOPIC", "PARTITION", "FROM", "TO", "ERROR"],
        rows: rows.collect(),
    }
}
