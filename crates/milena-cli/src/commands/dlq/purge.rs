//! `milena dlq purge`.

use clap::Args;
use milena::dead_letter::{PurgeBefore, PurgedPartition};
use serde::Serialize;

use super::time;
use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Rows, show};
use crate::plan::PlanArguments;

/// What to delete.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The dead letter topic.
    #[arg(value_name = "TOPIC")]
    topic: String,

    /// Only this partition; may be given more than once.
    #[arg(short = 'p', long = "partition", value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,

    #[command(flatten)]
    before: Before,

    /// Who does it, for the audit topic. Default: the user's name.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,

    #[command(flatten)]
    plan: PlanArguments,
}

/// Up to where. Kafka deletes from the front of a partition only, up to the first letter that is to
/// stay.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Before {
    /// The letters before this offset; wants -p.
    #[arg(long, value_name = "OFFSET", requires = "partitions", value_parser = clap::value_parser!(i64).range(0..))]
    before_offset: Option<i64>,

    /// The letters up to the first that failed at this time or later.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    before: Option<i64>,

    /// The letters up to the first that was not redriven.
    #[arg(long)]
    redriven: bool,

    /// All letters.
    #[arg(long)]
    all: bool,
}

impl Before {
    fn target(&self) -> PurgeBefore {
        match self {
            Before {
                before_offset: Some(offset),
                ..
            } => PurgeBefore::Offset(*offset),
            Before {
                before: Some(time), ..
            } => PurgeBefore::Time(*time),
            Before { redriven: true, .. } => PurgeBefore::Open,
            _ => PurgeBefore::End,
        }
    }
}

#[derive(Debug, Serialize)]
struct Purged {
    partition: i32,
    letters: u64,
    open: u64,
    before: i64,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let admin = super::admin(&arguments.cluster).await?;
    let (topic, before) = (&arguments.topic, arguments.before.target());
    let plan = admin
        .plan_purge(topic, &arguments.partitions, before)
        .await?;
    if arguments.plan.execute && !plan.is_empty() {
        let by = arguments.by.clone().unwrap_or_else(super::user);
        admin.purge(topic, &plan, &by).await?;
    }
    let purged: Vec<Purged> = plan.iter().map(purged).collect();
    show(arguments.plan.output, &purged, |_| rows(&purged))?;
    let shown = &arguments.plan;
    shown.finish("nothing was deleted; add --execute to delete for good")
}

fn purged(purged: &PurgedPartition) -> Purged {
    Purged {
        partition: purged.partition,
        letters: purged.letters,
        open: purged.open,
        before: purged.before,
    }
}

fn rows(purged: &[Purged]) -> Rows {
    let rows = purged.iter().map(|purged| {
        vec![
            purged.partition.to_string(),
            purged.letters.to_string(),
            purged.open.to_string(),
            purged.before.to_string(),
        ]
    });
    Rows {
        header: vec!["PARTITION", "LETTERS", "OPEN", "BEFORE OFFSET"],
        rows: rows.collect(),
    }
}
