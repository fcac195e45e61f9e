//! `milena topic delete`.

use clap::Args;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::print;

/// What to delete.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Names of the topics.
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,

    /// Do it; without this, what would be deleted is shown.
    #[arg(long, alias = "execute")]
    yes: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let names: Vec<&str> = arguments.topics.iter().map(String::as_str).collect();
    if !arguments.yes {
        for (name, description) in admin.describe_topics(&names).await? {
            let partitions = description?.partitions.len();
            print(&format!("would delete {name} with {partitions} partitions"))?;
        }
        return Err(Failure::usage(
            "nothing was deleted; add --yes to delete for good",
        ));
    }
    let mut first_failure = None;
    for (name, result) in admin.delete_topics(&names).await? {
        match result {
            Ok(()) => print(&format!("deleted {name}"))?,
            Err(error) => {
                first_failure.get_or_insert(Failure::from(error));
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}
