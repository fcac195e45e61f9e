//! `milena quota`: how much users and clients may do.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use milena_client::admin::{
    ChangeMode, QuotaChange, QuotaEntity, QuotaEntityType, QuotaMatch, QuotaValues,
};
use serde::Serialize;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, print, show};

/// The commands on quotas.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show quotas.
    List(ListArguments),
    /// Set quotas, or take them back.
    Alter(AlterArguments),
}

/// Whom quotas are for.
#[derive(Debug, Args)]
pub(crate) struct EntityArguments {
    /// A user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Users without a quota of their own.
    #[arg(long, conflicts_with = "user")]
    user_default: bool,

    /// A client id.
    #[arg(long, value_name = "ID")]
    client: Option<String>,

    /// Client ids without a quota of their own.
    #[arg(long, conflicts_with = "client")]
    client_default: bool,

    /// An address.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
}

impl EntityArguments {
    fn entity(&self) -> QuotaEntity {
        let mut entity = QuotaEntity::new();
        let mut add = |kind, name: &Option<String>, is_default: bool| {
            if name.is_some() || is_default {
                entity.insert(kind, name.clone());
            }
        };
        add(QuotaEntityType::User, &self.user, self.user_default);
        add(QuotaEntityType::ClientId, &self.client, self.client_default);
        add(QuotaEntityType::Ip, &self.ip, false);
        entity
    }
}

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    entity: EntityArguments,

    /// How to show them.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

/// What to change.
#[derive(Debug, Args)]
pub(crate) struct AlterArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    entity: EntityArguments,

    /// Set a quota, such as producer_byte_rate=1000000; may be given more than once.
    #[arg(long = "set", value_name = "NAME=NUMBER")]
    set: Vec<String>,

    /// Take a quota back; may be given more than once.
    #[arg(long = "unset", value_name = "NAME")]
    unset: Vec<String>,

    /// Only check that it could be done.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Quota {
    entity: BTreeMap<String, Option<String>>,
    values: QuotaValues,
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(arguments).await,
        Command::Alter(arguments) => alter(arguments).await,
    }
}

async fn list(arguments: ListArguments) -> Result<(), Failure> {
    let parts: Vec<(QuotaEntityType, QuotaMatch)> = arguments
        .entity
        .entity()
        .into_iter()
        .map(|(kind, name)| (kind, name.map_or(QuotaMatch::Default, QuotaMatch::Exact)))
        .collect();
    let admin = arguments.cluster.admin().await?;
    let found = admin.describe_client_quotas(&parts, false).await?;
    let quotas: Vec<Quota> = found
        .into_iter()
        .map(|(entity, values)| Quota {
            entity: entity
                .into_iter()
                .map(|(kind, name)| (format!("{kind:?}"), name))
                .collect(),
            values,
        })
        .collect();
    show(arguments.output, &quotas, |_| rows(&quotas))
}

fn rows(quotas: &[Quota]) -> Rows {
    let mut rows = Vec::new();
    for quota in quotas {
        let parts = quota.entity.iter().map(|(kind, name)| {
            let name = name.as_deref().unwrap_or("(default)");
            format!("{kind} {name}")
        });
        let entity = parts.collect::<Vec<_>>().join(", ");
        for (name, value) in &quota.values {
            rows.push(vec![entity.clone(), name.clone(), value.to_string()]);
        }
    }
    Rows {
        header: vec!["ENTITY", "QUOTA", "VALUE"],
        rows,
    }
}

async fn alter(arguments: AlterArguments) -> Result<(), Failure> {
    let entity = arguments.entity.entity();
    if entity.is_empty() {
        return Err(Failure::usage("give --user, --client or --ip"));
    }
    let mut values = BTreeMap::new();
    for pair in &arguments.set {
        let wrong = || Failure::usage(format!("--set {pair}: write it as NAME=NUMBER"));
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        let value: f64 = value.trim().parse().map_err(|_| wrong())?;
        values.insert(name.trim().to_owned(), Some(value));
    }
    for name in &arguments.unset {
        values.insert(name.clone(), None);
    }
    if values.is_empty() {
        return Err(Failure::usage("nothing to change; give --set or --unset"));
    }
    let (mode, verb) = if arguments.dry_run {
        (ChangeMode::ValidateOnly, "can change")
    } else {
        (ChangeMode::Apply, "changed")
    };
    let admin = arguments.cluster.admin().await?;
    let change = QuotaChange { entity, values };
    for (_, result) in admin.alter_client_quotas(&[change], mode).await {
        result?;
        print(&format!("{verb} the quotas"))?;
    }
    Ok(())
}
