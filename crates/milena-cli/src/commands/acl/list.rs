//! `milena acl list`.

use clap::Args;
use milena_client::admin::{Acl, AclFilter};
use serde::Serialize;

use super::{Operation, Pattern, ResourceArguments};
use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, show};

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    filter: FilterArguments,

    /// How to show them.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

/// Which entries are meant.
#[derive(Debug, Args)]
pub(super) struct FilterArguments {
    #[command(flatten)]
    resource: ResourceArguments,

    /// How the name is meant.
    #[arg(long, value_enum, default_value = "match")]
    pattern: Pattern,

    /// Only entries about this principal, such as User:alice.
    #[arg(long, value_name = "TYPE:NAME")]
    principal: Option<String>,

    /// Only entries about this operation.
    #[arg(long, value_enum)]
    operation: Option<Operation>,
}

impl FilterArguments {
    pub(super) fn filter(&self) -> AclFilter {
        let mut filter = AclFilter::any();
        if let Some((kind, name)) = self.resource.named() {
            filter = filter.resource(kind, self.pattern.name(name));
        }
        if let Some(principal) = &self.principal {
            filter = filter.principal(principal);
        }
        if let Some(operation) = self.operation {
            filter = filter.operation(operation.into());
        }
        filter
    }

    pub(super) fn is_empty(&self) -> bool {
        self.resource.named().is_none() && self.principal.is_none() && self.operation.is_none()
    }
}

#[derive(Debug, Serialize)]
struct Entry {
    resource_type: String,
    resource_name: String,
    pattern: String,
    principal: String,
    host: String,
    operation: String,
    permission: String,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let found = admin.describe_acls(&arguments.filter.filter()).await?;
    let entries: Vec<Entry> = found.into_iter().map(entry).collect();
    show(arguments.output, &entries, |_| rows(&entries))
}

fn entry(acl: Acl) -> Entry {
    Entry {
        resource_type: format!("{:?}", acl.resource_type),
        resource_name: acl.resource_name,
        pattern: format!("{:?}", acl.pattern),
        principal: acl.principal,
        host: acl.host,
        operation: format!("{:?}", acl.operation),
        permission: format!("{:?}", acl.permission),
    }
}

fn rows(entries: &[Entry]) -> Rows {
    let rows = entries.iter().map(|entry| {
        vec![
            entry.resource_type.clone(),
            entry.resource_name.clone(),
            entry.pattern.clone(),
            entry.principal.clone(),
            entry.host.clone(),
            entry.operation.clone(),
            entry.permission.clone(),
        ]
    });
    Rows {
        header: vec![
            "TYPE",
            "NAME",
            "PATTERN",
            "PRINCIPAL",
            "HOST",
            "OPERATION",
            "PERMISSION",
        ],
        rows: rows.collect(),
    }
}
