//! `milena topic list`.

use clap::Args;
use serde::Serialize;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, show};

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Kafka's own topics as well.
    #[arg(long)]
    internal: bool,

    /// How to show them.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Topic {
    name: String,
    partitions: usize,
    replication_factor: usize,
    id: String,
    is_internal: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let listed = arguments.cluster.admin().await?.list_topics().await?;
    let topics: Vec<Topic> = listed
        .into_iter()
        .filter(|topic| arguments.internal || !topic.is_internal)
        .map(|topic| Topic {
            name: topic.name,
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            id: topic.id.to_string(),
            is_internal: topic.is_internal,
        })
        .collect();
    show(arguments.output, &topics, |is_wide| rows(&topics, is_wide))
}

fn rows(topics: &[Topic], is_wide: bool) -> Rows {
    let mut header = vec!["TOPIC", "PARTITIONS", "REPLICAS"];
    if is_wide {
        header.extend(["ID", "INTERNAL"]);
    }
    let rows = topics.iter().map(|topic| {
        let mut row = vec![
            topic.name.clone(),
            topic.partitions.to_string(),
            topic.replication_factor.to_string(),
        ];
        if is_wide {
            row.extend([topic.id.clone(), topic.is_internal.to_string()]);
        }
        row
    });
    Rows {
        header,
        rows: rows.collect(),
    }
}
