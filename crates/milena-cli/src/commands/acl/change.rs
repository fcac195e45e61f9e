//! `milena acl create` and `milena acl delete`.

use clap::Args;
use milena_client::admin::{Acl, AclPattern};

use super::list::FilterArguments;
use super::{Operation, Pattern, ResourceArguments, sentence};
use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::print;

/// What to allow or deny.
#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    resource: ResourceArguments,

    /// How the name is meant: literal or prefixed.
    #[arg(long, value_enum, default_value = "literal")]
    pattern: Pattern,

    /// Whom it is about, such as User:alice; User:* is everyone.
    #[arg(long, required = true, value_name = "TYPE:NAME")]
    principal: String,

    /// From which address; * is anywhere.
    #[arg(long, default_value = "*", value_name = "ADDRESS")]
    host: String,

    /// What is done; may be given more than once.
    #[arg(long, required = true, value_enum, value_delimiter = ',')]
    operation: Vec<Operation>,

    /// Deny it instead of allowing it.
    #[arg(long)]
    deny: bool,
}

/// What to delete.
#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    filter: FilterArguments,

    /// Do it; without this, what would be deleted is shown.
    #[arg(long, alias = "execute")]
    yes: bool,
}

pub(super) async fn create(arguments: CreateArguments) -> Result<(), Failure> {
    let named = arguments.resource.named();
    let (kind, name) =
        named.ok_or_else(|| Failure::usage("give --topic, --group, or another resource"))?;
    let pattern = match arguments.pattern {
        Pattern::Literal => AclPattern::Literal,
        Pattern::Prefixed => AclPattern::Prefixed,
        Pattern::Match => {
            return Err(Failure::usage(
                "--pattern match finds entries; create one that is literal or prefixed",
            ));
        }
    };
    let entry = |operation: &Operation| {
        let principal = arguments.principal.as_str();
        let mut acl = Acl::allow(principal, (*operation).into(), kind, name.as_str());
        acl.pattern = pattern;
        acl.host.clone_from(&arguments.host);
        if arguments.deny { acl.denied() } else { acl }
    };
    let acls: Vec<Acl> = arguments.operation.iter().map(entry).collect();
    let admin = arguments.cluster.admin().await?;
    let mut first_failure = None;
    for (acl, result) in acls.iter().zip(admin.create_acls(&acls).await?) {
        match result {
            Ok(()) => print(&sentence(acl))?,
            Err(error) => {
                first_failure.get_or_insert(Failure::from(error));
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

pub(super) async fn delete(arguments: DeleteArguments) -> Result<(), Failure> {
    if arguments.filter.is_empty() {
        return Err(Failure::usage(
            "this would delete every entry; name a resource, a principal or an operation",
        ));
    }
    let admin = arguments.cluster.admin().await?;
    let filter = arguments.filter.filter();
    if !arguments.yes {
        for acl in admin.describe_acls(&filter).await? {
            print(&format!("would delete: {}", sentence(&acl)))?;
        }
        return Err(Failure::usage(
            "nothing was deleted; add --yes to delete for good",
        ));
    }
    for deleted in admin.delete_acls(&[filter]).await? {
        for acl in deleted? {
            print(&format!("deleted: {}", sentence(&acl)))?;
        }
    }
    Ok(())
}
