//! `milena topic describe`.

use std::collections::BTreeMap;

use clap::Args;
use milena_client::admin::{ConfigSource, OffsetAt, TopicDescription};
use milena_client::{Admin, NodeId, TopicPartition};
use serde::Serialize;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, or_dash, show};

/// What to describe.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Names of the topics.
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,

    /// How to show them.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Topic {
    name: String,
    id: String,
    is_internal: bool,
    /// Those that differ from the broker's defaults.
    configs: BTreeMap<String, Option<String>>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Partition {
    index: i32,
    leader: Option<i32>,
    leader_epoch: i32,
    replicas: Vec<i32>,
    in_sync_replicas: Vec<i32>,
    offline_replicas: Vec<i32>,
    start_offset: Option<i64>,
    end_offset: Option<i64>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let names: Vec<&str> = arguments.topics.iter().map(String::as_str).collect();
    let mut topics = Vec::new();
    for (_, description) in admin.describe_topics(&names).await? {
        topics.push(describe(&admin, description?).await?);
    }
    show(arguments.output, &topics, |is_wide| rows(&topics, is_wide))
}

async fn describe(admin: &Admin, description: TopicDescription) -> Result<Topic, Failure> {
    let name = description.name;
    let partitions: Vec<TopicPartition> = description
        .partitions
        .iter()
        .map(|partition| TopicPartition::new(name.as_str(), partition.index))
        .collect();
    let starts = admin.list_offsets(&partitions, OffsetAt::Earliest).await?;
    let ends = admin.list_offsets(&partitions, OffsetAt::Latest).await?;
    let offset_of = |offsets: &[(TopicPartition, Result<Option<i64>, _>)], index: i32| {
        let found = offsets
            .iter()
            .find(|(partition, _)| partition.partition == index);
        found.and_then(|(_, offset)| offset.as_ref().ok().copied().flatten())
    };
    let configs = own_configs(admin, &name).await;
    let partitions = description
        .partitions
        .into_iter()
        .map(|partition| Partition {
            index: partition.index,
            leader: partition.leader.map(|node| node.0),
            leader_epoch: partition.leader_epoch,
            replicas: numbers(&partition.replicas),
            in_sync_replicas: numbers(&partition.in_sync_replicas),
            offline_replicas: numbers(&partition.offline_replicas),
            start_offset: offset_of(&starts, partition.index),
            end_offset: offset_of(&ends, partition.index),
        });
    Ok(Topic {
        partitions: partitions.collect(),
        name,
        id: description.id.to_string(),
        is_internal: description.is_internal,
        configs,
    })
}

/// What is set on the topic itself. Describing that is a permission of its own, and not every
/// broker does it; then there is nothing to show.
async fn own_configs(admin: &Admin, name: &str) -> BTreeMap<String, Option<String>> {
    let Ok(described) = admin.topic_configs(&[name]).await else {
        return BTreeMap::new();
    };
    let entries = described
        .into_iter()
        .filter_map(|(_, entries)| entries.ok())
        .flatten();
    let own = entries.filter(|entry| entry.source == ConfigSource::Topic);
    own.map(|entry| (entry.name, entry.value)).collect()
}

fn numbers(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

fn rows(topics: &[Topic], is_wide: bool) -> Rows {
    let mut header = vec![
        "TOPIC",
        "PARTITION",
        "LEADER",
        "REPLICAS",
        "ISR",
        "START",
        "END",
    ];
    if is_wide {
        header.extend(["EPOCH", "OFFLINE"]);
    }
    let mut rows = Vec::new();
    for topic in topics {
        for partition in &topic.partitions {
            let mut row = vec![
                topic.name.clone(),
                partition.index.to_string(),
                or_dash(partition.leader),
                list(&partition.replicas),
                list(&partition.in_sync_replicas),
                or_dash(partition.start_offset),
                or_dash(partition.end_offset),
            ];
            if is_wide {
                row.extend([
                    partition.leader_epoch.to_string(),
                    list(&partition.offline_replicas),
                ]);
            }
            rows.push(row);
        }
    }
    Rows { header, rows }
}

fn list(nodes: &[i32]) -> String {
    if nodes.is_empty() {
        return "-".to_owned();
    }
    nodes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}
