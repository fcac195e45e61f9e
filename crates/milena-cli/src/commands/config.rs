//! `milena config`: the configuration of an application, as Milena reads it.
//!
//! Owns showing and checking it. What a setting is, and which source wins, is `milena::Config`'s.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use milena::{Config, ConfigBuilder, ConfigError, Source};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, Rows, print, show};
use crate::ports::PortArguments;

/// The commands on an application's configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether the configuration can be used: exit code 0 if so; otherwise 2, and a line on
    /// stderr that names the setting, its value, where it stands and what is allowed.
    Check(SourceArguments),
    /// Show every setting: its value, with secrets masked, and where it came from.
    Show(ShowArguments),
}

/// Where the configuration comes from. The environment (MILENA_…) counts too: it wins over a
/// file, and gives way to a URL and to -X.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// A TOML or YAML file; may be given more than once.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// high-throughput, high-reliability or low-latency.
    #[arg(long)]
    profile: Option<String>,

    /// kafka://[user:password@]host[:port],…[?setting=value&…]; its servers and credentials win
    /// over all others.
    #[arg(long)]
    url: Option<String>,

    /// Set any setting by name; may be given more than once.
    #[arg(short = 'X', long = "property", value_name = "NAME=VALUE")]
    properties: Vec<String>,

    #[command(flatten)]
    ports: PortArguments,
}

/// What to show, and how.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    sources: SourceArguments,

    /// Only what is not a default.
    #[arg(long)]
    set: bool,

    /// How to show it.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Setting {
    name: &'static str,
    value: String,
    source: String,
}

/// Runs one of them.
pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Check(sources) => {
            let config = sources.read()?;
            let is_set = |source: &Source| *source != Source::Default;
            let count = config
                .entries()
                .filter(|entry| is_set(&entry.source))
                .count();
            print(&format!(
                "the configuration can be used; {count} settings are not defaults"
            ))
        }
        Command::Show(arguments) => {
            let config = arguments.sources.read()?;
            let settings: Vec<Setting> = config
                .entries()
                .filter(|entry| !arguments.set || entry.source != Source::Default)
                .map(|entry| Setting {
                    name: entry.name,
                    value: entry.value,
                    source: entry.source.to_string(),
                })
                .collect();
            show(arguments.output, &settings, |_| rows(&settings))
        }
    }
}

impl SourceArguments {
    fn read(&self) -> Result<Config, Failure> {
        Ok(self.builder()?.build()?)
    }

    pub(crate) fn builder(&self) -> Result<ConfigBuilder, Failure> {
        let mut builder = Config::builder().environment();
        for file in &self.files {
            builder = builder.file(file);
        }
        if let Some(profile) = &self.profile {
            builder = builder.set("profile", profile);
        }
        if let Some(port) = self.ports.broker()? {
            builder = builder.bootstrap_servers(format!("localhost:{port}"));
        }
        for property in &self.properties {
            let (name, value) = property
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("-X {property}: write it as NAME=VALUE")))?;
            builder = builder.set(name.trim(), value);
        }
        if let Some(url) = &self.url {
            builder = builder.url(url);
        }
        Ok(builder)
    }
}

fn rows(settings: &[Setting]) -> Rows {
    let row = |setting: &Setting| {
        vec![
            setting.name.to_owned(),
            setting.value.clone(),
            setting.source.clone(),
        ]
    };
    Rows {
        header: vec!["NAME", "VALUE", "SOURCE"],
        rows: settings.iter().map(row).collect(),
    }
}

/// A configuration that cannot be used is wrong input.
impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::usage(error.to_string())
    }
}
