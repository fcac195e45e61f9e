//! `milena group delete`.

use clap::Args;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::print;

/// What to delete.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Ids of the groups.
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,

    /// Do it; without this, what would be deleted is shown.
    #[arg(long, alias = "execute")]
    yes: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let ids: Vec<&str> = arguments.groups.iter().map(String::as_str).collect();
    if !arguments.yes {
        for (id, description) in admin.describe_groups(&ids).await? {
            let state = description?.state;
            let offsets = admin.committed_offsets(&id).await?.len();
            print(&format!(
                "would delete {id} ({state}) with the offsets of {offsets} partitions"
            ))?;
        }
        return Err(Failure::usage(
            "nothing was deleted; add --yes to delete for good",
        ));
    }
    let mut first_failure = None;
    for (id, result) in admin.delete_groups(&ids).await {
        match result {
            Ok(()) => print(&format!("deleted {id}"))?,
            Err(error) => {
                first_failure.get_or_insert(Failure::from(error));
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}
