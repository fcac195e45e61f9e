//! Apache Kafka in KRaft mode for tests: `cargo xtask kafka start|stop|status|node|jars`.
//!
//! Owns the commands and what they print. A cluster belongs to the checkout that started it and is
//! known by the port of its first broker; jars are shared by all checkouts of a user.

mod cluster;
mod jars;
mod ports;
mod probe;
mod process;
mod properties;
mod secured;

pub(crate) use cluster::{Cluster, ClusterOptions, NodeChange};
pub(crate) use jars::{ensure_jars, why_unavailable};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// The version that `start` runs unless told otherwise: the newest that Maven Central has complete.
pub(crate) const VERSION_DEFAULT: &str = "4.3.1";

#[derive(Subcommand)]
pub(crate) enum KafkaCommand {
    /// Start a cluster, wait until it answers, print its bootstrap servers
    Start(StartArguments),
    /// Stop the clusters that this checkout started, and nothing else
    Stop(Selection),
    /// Show the clusters that this checkout started
    Status,
    /// Kill, pause, resume or start again one node of a cluster
    Node(NodeArguments),
    /// Print the folder with the jars of a version, fetched if they are not there
    Jars {
        /// Version of Apache Kafka
        #[arg(long, default_value = VERSION_DEFAULT)]
        version: String,
    },
}

#[derive(Args)]
pub(crate) struct NodeArguments {
    /// What to do
    change: NodeChange,
    /// Which node, counted from 1
    node: u16,
    /// Port of the cluster's first broker
    #[arg(long, default_value_t = 9092)]
    port: u16,
}

#[derive(Args)]
pub(crate) struct StartArguments {
    /// Version of Apache Kafka
    #[arg(long, default_value = VERSION_DEFAULT)]
    version: String,
    /// Number of nodes, each a broker and a controller
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,
    /// Port of the first broker, the others follow; 0 takes free ports
    #[arg(long, default_value_t = 9092)]
    port: u16,
    /// Add listeners with TLS and SASL, with certificates and a user for tests
    #[arg(long)]
    secured: bool,
    /// A broker property set on every node, as NAME=VALUE; may be repeated
    #[arg(short = 'X', long = "property", value_name = "NAME=VALUE")]
    properties: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Selection {
    /// Only clusters of this version
    #[arg(long)]
    version: Option<String>,
    /// Only the cluster whose first broker has this port
    #[arg(long)]
    port: Option<u16>,
}

pub(crate) fn run(command: KafkaCommand) -> Result<ExitCode> {
    match command {
        KafkaCommand::Start(arguments) => start(arguments)?,
        KafkaCommand::Stop(selection) => stop(&selection)?,
        KafkaCommand::Status => status()?,
        KafkaCommand::Node(arguments) => {
            Cluster::at(arguments.port)?.change_node(arguments.node, arguments.change)?;
        }
        KafkaCommand::Jars { version } => println!("{}", jars::ensure_jars(&version)?.display()),
    }
    Ok(ExitCode::SUCCESS)
}

fn start(arguments: StartArguments) -> Result<()> {
    if let Some(wrong) = arguments.properties.iter().find(|p| !p.contains('=')) {
        bail!("-X {wrong}: write it as NAME=VALUE");
    }
    let cluster = Cluster::start(&ClusterOptions {
        version: arguments.version,
        nodes: arguments.nodes,
        port: arguments.port,
        secured: arguments.secured,
        properties: arguments.properties,
    })?;
    eprintln!(
        "Apache Kafka {} with {} node(s) is up; logs in {}; stop it with `cargo xtask kafka stop --port {}`",
        cluster.version(),
        cluster.nodes_count(),
        cluster.dir().display(),
        cluster.port(),
    );
    if let Some(dir) = cluster.security_dir() {
        eprintln!("secured listeners: MILENA_TEST_SECURITY={}", dir.display());
    }
    println!("{}", cluster.bootstrap());
    Ok(())
}

fn stop(selection: &Selection) -> Result<()> {
    let mut stopped = 0;
    for mut cluster in Cluster::recorded()? {
        let version_matches = selection
            .version
            .as_deref()
            .is_none_or(|version| version == cluster.version());
        let port_matches = selection.port.is_none_or(|port| port == cluster.port());
        if version_matches && port_matches {
            cluster.stop()?;
            eprintln!(
                "stopped Apache Kafka {} at {}",
                cluster.version(),
                cluster.bootstrap()
            );
            stopped += 1;
        }
    }
    if stopped == 0 {
        eprintln!("nothing to stop: no such cluster was started from this checkout");
    }
    Ok(())
}

fn status() -> Result<()> {
    let clusters = Cluster::recorded()?;
    if clusters.is_empty() {
        eprintln!("no cluster was started from this checkout");
    }
    for cluster in clusters {
        println!(
            "{} version={} nodes={} up={} log_dir={}",
            cluster.bootstrap(),
            cluster.version(),
            cluster.nodes_count(),
            cluster.nodes_up(),
            cluster.dir().display(),
        );
    }
    Ok(())
}
