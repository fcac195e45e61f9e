//! `milena acl`: who may do what.

mod change;
mod list;

use clap::{Args, Subcommand, ValueEnum};
use milena_client::admin::{AclName, AclOperation, AclPermission, AclResourceType};

use crate::failure::Failure;

/// The commands on access control.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show entries.
    List(list::Arguments),
    /// Allow a principal to do something, or deny it.
    Create(change::CreateArguments),
    /// Delete entries; shows what would go unless told --yes.
    Delete(change::DeleteArguments),
}

/// The resources meant; one of them.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct ResourceArguments {
    /// A topic; `*` is all.
    #[arg(short = 't', long, value_name = "TOPIC")]
    topic: Option<String>,

    /// A group; `*` is all.
    #[arg(short = 'g', long, value_name = "GROUP")]
    group: Option<String>,

    /// A transactional id; `*` is all.
    #[arg(long, value_name = "ID")]
    transactional_id: Option<String>,

    /// The cluster itself.
    #[arg(long)]
    cluster_itself: bool,
}

impl ResourceArguments {
    fn named(&self) -> Option<(AclResourceType, String)> {
        let named = |kind, name: &Option<String>| name.clone().map(|name| (kind, name));
        named(AclResourceType::Topic, &self.topic)
            .or_else(|| named(AclResourceType::Group, &self.group))
            .or_else(|| named(AclResourceType::TransactionalId, &self.transactional_id))
            .or_else(|| {
                let cluster = (AclResourceType::Cluster, "kafka-cluster".to_owned());
                self.cluster_itself.then_some(cluster)
            })
    }
}

/// How a name is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pattern {
    /// As it is.
    Literal,
    /// As the beginning of names.
    Prefixed,
    /// As a resource: all entries that count for it.
    Match,
}

impl Pattern {
    fn name(self, name: String) -> AclName {
        match self {
            Pattern::Literal => AclName::Literal(name),
            Pattern::Prefixed => AclName::Prefixed(name),
            Pattern::Match => AclName::Match(name),
        }
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    All,
    Read,
    Write,
    Create,
    Delete,
    Alter,
    Describe,
    ClusterAction,
    DescribeConfigs,
    AlterConfigs,
    IdempotentWrite,
}

impl From<Operation> for AclOperation {
    fn from(operation: Operation) -> AclOperation {
        match operation {
            Operation::All => AclOperation::All,
            Operation::Read => AclOperation::Read,
            Operation::Write => AclOperation::Write,
            Operation::Create => AclOperation::Create,
            Operation::Delete => AclOperation::Delete,
            Operation::Alter => AclOperation::Alter,
            Operation::Describe => AclOperation::Describe,
            Operation::ClusterAction => AclOperation::ClusterAction,
            Operation::DescribeConfigs => AclOperation::DescribeConfigs,
            Operation::AlterConfigs => AclOperation::AlterConfigs,
            Operation::IdempotentWrite => AclOperation::IdempotentWrite,
        }
    }
}

/// One entry in a line.
fn sentence(acl: &milena_client::admin::Acl) -> String {
    let verb = match acl.permission {
        AclPermission::Deny => "deny",
        _ => "allow",
    };
    format!(
        "{verb} {} from {} {:?} on {:?} {} ({:?})",
        acl.principal, acl.host, acl.operation, acl.resource_type, acl.resource_name, acl.pattern
    )
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments).await,
        Command::Create(arguments) => change::create(arguments).await,
        Command::Delete(arguments) => change::delete(arguments).await,
    }
}
