//! `milena topic config alter` and `milena broker config alter`.

use clap::Args;
use milena_client::admin::{ChangeMode, ConfigChange};

use super::{Subjects, title};
use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::print;

/// What to change.
#[derive(Debug, Args)]
pub(crate) struct Arguments<S: Subjects> {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    subjects: S,

    /// Set a value; may be given more than once, as may the others.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,

    /// Take a value back, so that the inherited one counts.
    #[arg(long = "unset", value_name = "NAME")]
    unset: Vec<String>,

    /// Add to a setting that is a list.
    #[arg(long = "append", value_name = "NAME=ITEMS")]
    append: Vec<String>,

    /// Take out of a setting that is a list.
    #[arg(long = "subtract", value_name = "NAME=ITEMS")]
    subtract: Vec<String>,

    /// Only check that it could be done.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run<S: Subjects>(arguments: Arguments<S>) -> Result<(), Failure> {
    let resources = arguments.subjects.resources();
    let mut changes = Vec::with_capacity(resources.len());
    for resource in resources {
        changes.push(change(&arguments, ConfigChange::of(resource))?);
    }
    let (mode, verb) = if arguments.dry_run {
        (ChangeMode::ValidateOnly, "can change")
    } else {
        (ChangeMode::Apply, "changed")
    };
    let admin = arguments.cluster.admin().await?;
    let mut first_failure = None;
    for (resource, result) in admin.alter_configs(&changes, mode).await {
        match result {
            Ok(()) => print(&format!("{verb} {}", title(&resource)))?,
            Err(error) => {
                first_failure.get_or_insert(Failure::from(error));
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

fn change<S: Subjects>(
    arguments: &Arguments<S>,
    mut change: ConfigChange,
) -> Result<ConfigChange, Failure> {
    let none = [
        &arguments.set,
        &arguments.unset,
        &arguments.append,
        &arguments.subtract,
    ]
    .iter()
    .all(|changes| changes.is_empty());
    if none {
        return Err(Failure::usage(
            "nothing to change; give --set, --unset, --append or --subtract",
        ));
    }
    for pair in &arguments.set {
        let (name, value) = split("--set", pair)?;
        change = change.set(name, value);
    }
    for name in &arguments.unset {
        change = change.delete(name.trim());
    }
    for pair in &arguments.append {
        let (name, items) = split("--append", pair)?;
        change = change.append(name, items);
    }
    for pair in &arguments.subtract {
        let (name, items) = split("--subtract", pair)?;
        change = change.subtract(name, items);
    }
    Ok(change)
}

fn split<'a>(option: &str, pair: &'a str) -> Result<(&'a str, &'a str), Failure> {
    let split = pair.split_once('=');
    let (name, value) =
        split.ok_or_else(|| Failure::usage(format!("{option} {pair}: write it as NAME=VALUE")))?;
    Ok((name.trim(), value.trim()))
}
