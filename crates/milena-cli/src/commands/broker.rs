//! `milena broker`: a single-node broker for development and tests; `milena broker config`: the
//! settings of the brokers of a cluster.
//!
//! Owns the command line of the broker and the signals that stop it. What a
//! broker is lives in `milena-broker`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use milena_broker::{Broker, BrokerError, Storage};
use milena_client::NodeId;
use milena_client::admin::ConfigResource;

use super::settings::{self, Subjects};
use crate::failure::Failure;
use crate::ports::PortArguments;

/// Run a single-node broker for development and tests.
///
/// Prints a line on stdout, `listening on HOST:PORT`, as soon as clients can
/// connect, and one more for each further listener. SIGINT (Ctrl-C) and SIGTERM stop it gracefully; a second one at once.
///
/// With --data every acknowledged record survives a crash or kill -9 of the
/// process. A loss of power is survived by what was flushed before: everything
/// once a minute (log.flush.offset.checkpoint.interval.ms), every N milliseconds
/// with log.flush.interval.ms=N, and before each acknowledgement with
/// log.flush.interval.messages=1.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serving: Serving,
}

/// What can be done with the brokers of a cluster instead.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show and change the settings of brokers.
    #[command(subcommand)]
    Config(settings::Command<Brokers>),
}

/// The brokers whose settings are meant.
#[derive(Debug, Args)]
#[group(required = true)]
struct Brokers {
    /// Brokers by their ids.
    #[arg(value_name = "ID")]
    ids: Vec<i32>,

    /// What counts for all brokers that do not set it themselves.
    #[arg(long)]
    defaults: bool,
}

impl Subjects for Brokers {
    fn resources(&self) -> Vec<ConfigResource> {
        let ids = self.ids.iter().copied().map(NodeId);
        let defaults = self.defaults.then_some(ConfigResource::BrokerDefaults);
        ids.map(ConfigResource::Broker).chain(defaults).collect()
    }
}

/// How the broker runs.
#[derive(Debug, Args)]
struct Serving {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    listen: String,

    #[command(flatten)]
    ports: PortArguments,

    /// Keep the data in this directory, created when missing; without it, in memory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Set a broker property by Kafka's name for it, such as num.partitions=3 or
    /// listeners=SASL_SSL://127.0.0.1:9093, which overrides --listen.
    #[arg(short = 'X', value_name = "PROPERTY=VALUE")]
    properties: Vec<String>,

    /// Give a user SCRAM credentials: SCRAM-SHA-256=[name=alice,password=secret].
    #[arg(long, value_name = "MECHANISM=[name=USER,password=SECRET]")]
    add_scram: Vec<String>,
}

impl Arguments {
    /// Whether a broker is to run.
    pub(crate) fn serves(&self) -> bool {
        self.command.is_none()
    }
}

/// Runs the broker, or what is to be done instead.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Some(Command::Config(command)) => settings::run(command).await,
        None => serve(arguments.serving).await,
    }
}

/// Runs the broker until it is told to stop.
async fn serve(arguments: Serving) -> Result<(), Failure> {
    let listen = match arguments.ports.broker()? {
        Some(port) => format!("127.0.0.1:{port}"),
        None => arguments.listen,
    };
    let mut builder = Broker::builder().listen(listen);
    if let Some(directory) = arguments.data {
        builder = builder.storage(Storage::Directory(directory));
    }
    for property in &arguments.properties {
        let (name, value) = property.split_once('=').ok_or_else(|| {
            Failure::usage(format!(
                "'-X {property}' is not PROPERTY=VALUE, such as num.partitions=3"
            ))
        })?;
        builder = builder.property(name, value).map_err(failure)?;
    }
    for user in &arguments.add_scram {
        builder = builder.add_scram(user).map_err(failure)?;
    }
    let mut stop = StopSignals::new()?;
    let broker = builder.start().await.map_err(failure)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", broker.address())?;
    for (name, address) in broker.listeners().skip(1) {
        writeln!(stdout, "listening on {address} ({name})")?;
    }
    stdout.flush()?;
    stop.next().await;
    tokio::select! {
        () = broker.stop() => Ok(()),
        () = stop.next() => Err(Failure::run("stopped by a second signal before all was written")),
    }
}

/// What the user wrote wrong is exit code 2, what the machine refused is 1.
fn failure(error: BrokerError) -> Failure {
    match error {
        BrokerError::UnknownProperty { .. }
        | BrokerError::InvalidProperty { .. }
        | BrokerError::InvalidAddress { .. } => Failure::usage(error.to_string()),
        error => Failure::run(error.to_string()),
    }
}

#[cfg(unix)]
struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(StopSignals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct StopSignals;

#[cfg(not(unix))]
impl StopSignals {
    fn new() -> Result<Self, Failure> {
        Ok(StopSignals)
    }

    async fn next(&mut self) {
        // Without a way to hear Ctrl-C the broker runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
