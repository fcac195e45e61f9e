//! `milena group remove-member`.

use clap::Args;
use milena_client::admin::MemberName;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::print;

/// Whom to remove.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The group's id.
    #[arg(value_name = "GROUP")]
    group: String,

    /// A static member by its instance id; may be given more than once.
    #[arg(long = "instance", value_name = "ID")]
    instances: Vec<String>,

    /// A member by its id; may be given more than once.
    #[arg(long = "member", value_name = "ID")]
    members: Vec<String>,

    /// All members.
    #[arg(long, conflicts_with_all = ["instances", "members"])]
    all: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let reason = "removed with milena group remove-member";
    let instances = arguments.instances.into_iter().map(MemberName::Instance);
    let members = arguments.members.into_iter().map(MemberName::Id);
    let names: Vec<MemberName> = instances.chain(members).collect();
    if names.is_empty() && !arguments.all {
        return Err(Failure::usage("give --instance, --member or --all"));
    }
    let admin = arguments.cluster.admin().await?;
    let group = arguments.group.as_str();
    let results = if arguments.all {
        admin.remove_all_members(group, reason).await?
    } else {
        admin.remove_members(group, &names, reason).await?
    };
    let mut first_failure = None;
    for (name, result) in results {
        let (MemberName::Id(name) | MemberName::Instance(name)) = name;
        match result {
            Ok(()) => print(&format!("removed {name}"))?,
            Err(error) => {
                first_failure.get_or_insert(Failure::from(error));
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}
