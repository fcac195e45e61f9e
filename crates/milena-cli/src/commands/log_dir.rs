//! `milena log-dir`: how much space partitions take on brokers.

use clap::{Args, Subcommand};
use milena_client::NodeId;
use milena_client::admin::LogDirDescription;
use serde::Serialize;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, or_dash, show};

/// The commands on log directories.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show directories with the partitions in them.
    Describe(Arguments),
}

/// What to describe.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Only this broker; may be given more than once.
    #[arg(long = "broker", value_name = "ID")]
    broker_ids: Vec<i32>,

    /// Only this topic; may be given more than once.
    #[arg(short = 't', long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,

    /// How to show them.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Directory {
    broker: i32,
    path: String,
    error: Option<String>,
    total_bytes: Option<i64>,
    usable_bytes: Option<i64>,
    replicas: Vec<Replica>,
}

#[derive(Debug, Serialize)]
struct Replica {
    topic: String,
    partition: i32,
    bytes: i64,
    offset_lag: i64,
    is_future: bool,
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Describe(arguments) => describe(arguments).await,
    }
}

async fn describe(arguments: Arguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let nodes: Vec<NodeId> = if arguments.broker_ids.is_empty() {
        let cluster = admin.describe_cluster().await?;
        cluster.brokers.iter().map(|broker| broker.node).collect()
    } else {
        arguments.broker_ids.iter().copied().map(NodeId).collect()
    };
    let mut directories = Vec::new();
    for (node, described) in admin.describe_log_dirs(&nodes).await {
        for described in described? {
            directories.push(directory(node, described, &arguments.topics));
        }
    }
    show(arguments.output, &directories, |is_wide| {
        rows(&directories, is_wide)
    })
}

fn directory(node: NodeId, described: LogDirDescription, only: &[String]) -> Directory {
    let replicas = described.replicas.into_iter().filter(|replica| {
        let topic: &str = &replica.partition.topic;
        only.is_empty() || only.iter().any(|wanted| wanted == topic)
    });
    let replicas = replicas.map(|replica| Replica {
        topic: replica.partition.topic.to_string(),
        partition: replica.partition.partition,
        bytes: replica.bytes,
        offset_lag: replica.offset_lag,
        is_future: replica.is_future,
    });
    Directory {
        broker: node.0,
        path: described.path,
        error: described.error.map(|code| code.name().to_owned()),
        total_bytes: described.total_bytes,
        usable_bytes: described.usable_bytes,
        replicas: replicas.collect(),
    }
}

fn rows(directories: &[Directory], is_wide: bool) -> Rows {
    let mut header = vec!["BROKER", "TOPIC", "PARTITION", "BYTES", "LAG"];
    if is_wide {
        header.extend(["FUTURE", "DIRECTORY", "USABLE", "ERROR"]);
    }
    let mut rows = Vec::new();
    for directory in directories {
        for replica in &directory.replicas {
            let mut row = vec![
                directory.broker.to_string(),
                replica.topic.clone(),
                replica.partition.to_string(),
                replica.bytes.to_string(),
                replica.offset_lag.to_string(),
            ];
            if is_wide {
                row.extend([
                    replica.is_future.to_string(),
                    directory.path.clone(),
                    or_dash(directory.usable_bytes),
                    or_dash(directory.error.as_ref()),
                ]);
            }
            rows.push(row);
        }
    }
    Rows { header, rows }
}
