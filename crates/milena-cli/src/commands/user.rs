//! `milena user`: passwords for SASL SCRAM.

use std::io::Read as _;

use clap::{Args, Subcommand, ValueEnum};
use milena_client::admin::{ScramChange, ScramMechanism};
use serde::Serialize;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, print, show};

/// The commands on users.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show who has a password, and of which kind.
    List(ListArguments),
    /// Give a user a password, read from standard input.
    SetPassword(SetArguments),
    /// Take a user's password away; shows what would go unless told --yes.
    Delete(DeleteArguments),
}

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mechanism {
    #[value(name = "SCRAM-SHA-256", alias = "scram-sha-256")]
    Sha256,
    #[value(name = "SCRAM-SHA-512", alias = "scram-sha-512")]
    Sha512,
}

impl From<Mechanism> for ScramMechanism {
    fn from(mechanism: Mechanism) -> ScramMechanism {
        match mechanism {
            Mechanism::Sha256 => ScramMechanism::Sha256,
            Mechanism::Sha512 => ScramMechanism::Sha512,
        }
    }
}

/// Whom to list.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// How to show them.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

/// Whose password to set.
#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The user's name.
    #[arg(value_name = "USER")]
    user: String,

    /// Which hash.
    #[arg(long, value_enum, default_value = "SCRAM-SHA-512")]
    mechanism: Mechanism,

    /// How often the password is hashed.
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(4096..=16384))]
    iterations: u32,
}

/// Whose password to delete.
#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// The user's name.
    #[arg(value_name = "USER")]
    user: String,

    /// Which hash.
    #[arg(long, value_enum, default_value = "SCRAM-SHA-512")]
    mechanism: Mechanism,

    /// Do it; without this, what would be deleted is shown.
    #[arg(long, alias = "execute")]
    yes: bool,
}

#[derive(Debug, Serialize)]
struct Credential {
    user: String,
    mechanism: String,
    iterations: i32,
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(arguments).await,
        Command::SetPassword(arguments) => set(arguments).await,
        Command::Delete(arguments) => delete(arguments).await,
    }
}

async fn list(arguments: ListArguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let mut credentials = Vec::new();
    for (user, infos) in admin.describe_scram_credentials(None).await? {
        credentials.extend(infos?.into_iter().map(|info| Credential {
            user: user.clone(),
            mechanism: name(info.mechanism).to_owned(),
            iterations: info.iterations,
        }));
    }
    show(arguments.output, &credentials, |_| rows(&credentials))
}

fn name(mechanism: ScramMechanism) -> &'static str {
    match mechanism {
        ScramMechanism::Sha256 => "SCRAM-SHA-256",
        _ => "SCRAM-SHA-512",
    }
}

fn rows(credentials: &[Credential]) -> Rows {
    let rows = credentials.iter().map(|credential| {
        vec![
            credential.user.clone(),
            credential.mechanism.clone(),
            credential.iterations.to_string(),
        ]
    });
    Rows {
        header: vec!["USER", "MECHANISM", "ITERATIONS"],
        rows: rows.collect(),
    }
}

async fn set(arguments: SetArguments) -> Result<(), Failure> {
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password)?;
    let password = password.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Failure::usage("no password on standard input"));
    }
    let change = ScramChange::set(&arguments.user, arguments.mechanism.into(), password)
        .iterations(arguments.iterations);
    let admin = arguments.cluster.admin().await?;
    for (user, result) in admin.alter_scram_credentials(&[change]).await? {
        result?;
        print(&format!("set the password of {user}"))?;
    }
    Ok(())
}

async fn delete(arguments: DeleteArguments) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let mechanism = ScramMechanism::from(arguments.mechanism);
    if !arguments.yes {
        let user = arguments.user.as_str();
        for (user, infos) in admin.describe_scram_credentials(Some(&[user])).await? {
            if infos?.iter().any(|info| info.mechanism == mechanism) {
                print(&format!(
                    "would delete the {} password of {user}",
                    name(mechanism)
                ))?;
            }
        }
        return Err(Failure::usage(
            "nothing was deleted; add --yes to delete for good",
        ));
    }
    let change = ScramChange::delete(&arguments.user, mechanism);
    for (user, result) in admin.alter_scram_credentials(&[change]).await? {
        result?;
        print(&format!("deleted the password of {user}"))?;
    }
    Ok(())
}
