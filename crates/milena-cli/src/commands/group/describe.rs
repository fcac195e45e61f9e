//! `milena group describe`.

use clap::Args;
use milena_client::admin::{GroupDescription, PartitionLag};
use serde::Serialize;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, or_dash, show};

/// What to describe.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The group's id.
    #[arg(value_name = "GROUP")]
    group: String,

    /// How to show it.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Group {
    group_id: String,
    state: String,
    assignor: String,
    coordinator: i32,
    /// Records not processed yet, as far as offsets are known.
    lag: i64,
    members: Vec<Member>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Member {
    member_id: String,
    client_id: String,
    host: String,
    partitions: usize,
}

#[derive(Debug, Serialize)]
struct Partition {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    end: Option<i64>,
    lag: Option<i64>,
    member_id: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let described = admin
        .describe_groups(&[arguments.group.as_str()])
        .await?
        .into_iter()
        .next();
    let Some((_, description)) = described else {
        return Err(Failure::run(format!(
            "the cluster says nothing about {}",
            arguments.group
        )));
    };
    let group = group(description?, admin.group_lag(&arguments.group).await?);
    show(arguments.output, &group, |is_wide| rows(&group, is_wide))
}

fn group(description: GroupDescription, lags: Vec<PartitionLag>) -> Group {
    let members = description.members.into_iter().map(|member| Member {
        member_id: member.member_id,
        client_id: member.client_id,
        host: member.client_host,
        partitions: member.assignment.len(),
    });
    Group {
        group_id: description.group_id,
        state: description.state,
        assignor: description.assignor,
        coordinator: description.coordinator.0,
        lag: lags.iter().filter_map(PartitionLag::lag).sum(),
        members: members.collect(),
        partitions: lags.into_iter().map(partition).collect(),
    }
}

fn partition(lag: PartitionLag) -> Partition {
    Partition {
        lag: lag.lag(),
        topic: lag.partition.topic.to_string(),
        partition: lag.partition.partition,
        committed: lag.committed,
        end: lag.end,
        member_id: lag.member_id,
    }
}

fn rows(group: &Group, is_wide: bool) -> Rows {
    let mut header = vec![
        "GROUP",
        "STATE",
        "TOPIC",
        "PARTITION",
        "COMMITTED",
        "END",
        "LAG",
        "CLIENT",
    ];
    if is_wide {
        header.extend(["HOST", "MEMBER"]);
    }
    let mut rows = Vec::new();
    for partition in &group.partitions {
        let owner = partition
            .member_id
            .as_ref()
            .and_then(|id| group.members.iter().find(|member| member.member_id == *id));
        let mut row = vec![
            group.group_id.clone(),
            group.state.clone(),
            partition.topic.clone(),
            partition.partition.to_string(),
            or_dash(partition.committed),
            or_dash(partition.end),
            or_dash(partition.lag),
            or_dash(owner.map(|member| &member.client_id)),
        ];
        if is_wide {
            row.extend([
                or_dash(owner.map(|member| &member.host)),
                or_dash(partition.member_id.as_ref()),
            ]);
        }
        rows.push(row);
    }
    if rows.is_empty() {
        let mut row = vec![group.group_id.clone(), group.state.clone()];
        row.resize(header.len(), "-".to_owned());
        rows.push(row);
    }
    Rows { header, rows }
}
