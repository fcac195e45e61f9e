//! `milena topic config describe` and `milena broker config describe`.

use clap::Args;
use milena_client::admin::{ConfigDetail, ConfigEntry, ConfigSource};
use serde::Serialize;

use super::{Subjects, title};
use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, or_dash, show};

/// What to describe.
#[derive(Debug, Args)]
pub(crate) struct Arguments<S: Subjects> {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    subjects: S,

    /// Also what nobody has set.
    #[arg(short = 'a', long)]
    all: bool,

    /// How to show them.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Resource {
    resource: String,
    configs: Vec<Config>,
}

#[derive(Debug, Serialize)]
struct Config {
    name: String,
    value: Option<String>,
    source: String,
    is_read_only: bool,
    is_sensitive: bool,
    documentation: Option<String>,
}

pub(crate) async fn run<S: Subjects>(arguments: Arguments<S>) -> Result<(), Failure> {
    let admin = arguments.cluster.admin().await?;
    let asked = arguments.subjects.resources();
    let mut described = Vec::new();
    for (resource, entries) in admin
        .describe_configs(&asked, ConfigDetail::Everything)
        .await
    {
        let is_shown = |entry: &ConfigEntry| arguments.all || entry.source != ConfigSource::Default;
        let entries = entries?.into_iter().filter(is_shown);
        described.push(Resource {
            resource: title(&resource),
            configs: entries.map(config).collect(),
        });
    }
    show(arguments.output, &described, |is_wide| {
        rows(&described, is_wide)
    })
}

fn config(entry: ConfigEntry) -> Config {
    Config {
        name: entry.name,
        value: entry.value,
        source: source(entry.source),
        is_read_only: entry.is_read_only,
        is_sensitive: entry.is_sensitive,
        documentation: entry.documentation,
    }
}

fn source(source: ConfigSource) -> String {
    match source {
        ConfigSource::Topic => "topic".to_owned(),
        ConfigSource::DynamicBroker => "broker".to_owned(),
        ConfigSource::DynamicBrokerDefault => "all brokers".to_owned(),
        ConfigSource::StaticBroker => "broker's file".to_owned(),
        ConfigSource::Default => "default".to_owned(),
        other => format!("{other:?}"),
    }
}

fn rows(resources: &[Resource], is_wide: bool) -> Rows {
    let mut header = vec!["RESOURCE", "NAME", "VALUE", "SOURCE"];
    if is_wide {
        header.extend(["READ-ONLY", "DOCUMENTATION"]);
    }
    let mut rows = Vec::new();
    for resource in resources {
        for config in &resource.configs {
            let value = if config.is_sensitive {
                Some("(secret)".to_owned())
            } else {
                config.value.clone()
            };
            let mut row = vec![
                resource.resource.clone(),
                config.name.clone(),
                or_dash(value),
                config.source.clone(),
            ];
            if is_wide {
                row.push(config.is_read_only.to_string());
                row.push(or_dash(config.documentation.as_ref()));
            }
            rows.push(row);
        }
    }
    Rows { header, rows }
}
