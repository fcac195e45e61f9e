//! `milena reassign`: moving partitions between brokers, and having their preferred leaders lead.

use clap::{Args, Subcommand};
use milena_client::admin::{ElectionType, NewReplicas};
use milena_client::{Error, ErrorCode, NodeId, TopicPartition};
use serde::Serialize;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, print, show};
use crate::partition_list::PartitionName;

/// The commands on where partitions lie.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Begin to move partitions; shows the plan unless told --yes.
    Start(StartArguments),
    /// Show the partitions that are being moved.
    List(ListArguments),
    /// Stop moving partitions and take back what was begun.
    Cancel(CancelArguments),
    /// Elect the preferred leaders of partitions.
    Elect(ElectArguments),
}

/// What to move where.
#[derive(Debug, Args)]
pub(crate) struct StartArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Partitions to move.
    #[arg(required = true, value_name = "TOPIC:PARTITION")]
    partitions: Vec<PartitionName>,

    /// Ids of the brokers they are to be on, the preferred leader first.
    #[arg(long, required = true, value_delimiter = ',', value_name = "ID,ID,…")]
    to: Vec<i32>,

    /// Do it; without this, the plan is shown.
    #[arg(long, alias = "execute")]
    yes: bool,
}

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// How to show them.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

/// What to stop.
#[derive(Debug, Args)]
pub(crate) struct CancelArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Partitions to leave where they were.
    #[arg(required = true, value_name = "TOPIC:PARTITION")]
    partitions: Vec<PartitionName>,
}

/// Whose leaders to elect.
#[derive(Debug, Args)]
pub(crate) struct ElectArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Partitions; all for which it is worthwhile when left out.
    #[arg(value_name = "TOPIC:PARTITION")]
    partitions: Vec<PartitionName>,
}

#[derive(Debug, Serialize)]
struct Moving {
    topic: String,
    partition: i32,
    replicas: Vec<i32>,
    adding: Vec<i32>,
    removing: Vec<i32>,
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Start(arguments) => start(arguments).await,
        Command::List(arguments) => list(arguments).await,
        Command::Cancel(arguments) => cancel(arguments).await,
        Command::Elect(arguments) => elect(arguments).await,
    }
}

async fn start(arguments: StartArguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let to: Vec<NodeId> = arguments.to.iter().copied().map(NodeId).collect();
    if !arguments.yes {
        for name in &arguments.partitions {
            let PartitionName(partition) = name;
            let topic: &str = &partition.topic;
            for (_, described) in admin.describe_topics(&[topic]).await? {
                let partitions = described?.partitions;
                let mut now = partitions
                    .iter()
                    .filter(|one| one.index == partition.partition);
                let Some(now) = now.next() else {
                    return Err(Failure::run(format!("{partition} does not exist")));
                };
                let (from, to) = (numbers(&now.replicas), numbers(&to));
                print(&format!("would move {partition} from {from:?} to {to:?}"))?;
            }
        }
        return Err(Failure::usage("nothing was moved; add --yes to begin"));
    }
    let target = NewReplicas::On(to);
    let moves: Vec<(TopicPartition, NewReplicas)> = arguments
        .partitions
        .into_iter()
        .map(|name| (name.0, target.clone()))
        .collect();
    report("moving", admin.reassign_partitions(&moves).await)
}

async fn cancel(arguments: CancelArguments) -> Result<(), Failure> {
    let names = arguments.partitions.into_iter();
    let moves: Vec<(TopicPartition, NewReplicas)> =
        names.map(|name| (name.0, NewReplicas::Cancel)).collect();
    let admin = arguments.cluster.admin().await?;
    report("stopped moving", admin.reassign_partitions(&moves).await)
}

async fn elect(arguments: ElectArguments) -> Result<(), Failure> {
    let names = arguments.partitions.into_iter();
    let partitions: Vec<TopicPartition> = names.map(|name| name.0).collect();
    let asked = (!partitions.is_empty()).then_some(partitions.as_slice());
    let admin = arguments.cluster.admin().await?;
    let results = admin.elect_leaders(ElectionType::Preferred, asked).await?;
    let (needless, results): (Vec<_>, Vec<_>) = results.into_iter().partition(|(_, result)| {
        let code = result.as_ref().err().and_then(Error::code);
        code == Some(ErrorCode::ElectionNotNeeded)
    });
    for (partition, _) in needless {
        print(&format!("{partition} is led by its preferred leader"))?;
    }
    report("elected the leader of", results)
}

fn report(verb: &str, results: Vec<(TopicPartition, Result<(), Error>)>) -> Result<(), Failure> {
    let mut first_failure = None;
    for (partition, result) in results {
        match result {
            Ok(()) => print(&format!("{verb} {partition}"))?,
            Err(error) => {
                first_failure.get_or_insert(Failure::from(error));
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

async fn list(arguments: ListArguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let moving = admin.list_reassignments(None).await?.into_iter();
    let moving: Vec<Moving> = moving
        .map(|one| Moving {
            topic: one.partition.topic.to_string(),
            partition: one.partition.partition,
            replicas: numbers(&one.replicas),
            adding: numbers(&one.adding),
            removing: numbers(&one.removing),
        })
        .collect();
    show(arguments.output, &moving, |_| rows(&moving))
}

fn numbers(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

fn rows(moving: &[Moving]) -> Rows {
    let rows = moving.iter().map(|one| {
        vec![
            one.topic.clone(),
            one.partition.to_string(),
            format!("{:?}", one.replicas),
            format!("{:?}", one.adding),
            format!("{:?}", one.removing),
        ]
    });
    Rows {
        header: vec!["TOPIC", "PARTITION", "REPLICAS", "ADDING", "REMOVING"],
        rows: rows.collect(),
    }
}
