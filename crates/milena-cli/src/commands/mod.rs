//! The commands, one file (or folder) each.
//!
//! Every command is a clap `Args` struct named `Arguments` (or a `Subcommand` named
//! `Command`) and an async `run` that turns it into an exit code by way of [`Failure`].

mod acl;
mod broker;
mod config;
mod consume;
mod demo;
mod dlq;
mod group;
mod log_dir;
mod produce;
mod quota;
mod reassign;
mod records;
#[cfg(feature = "service")]
mod service;
mod settings;
mod topic;
mod user;

use clap::Subcommand;

use crate::failure::Failure;

/// The command tree.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish real events, handle them with failures, retries and dead letters, and
    /// check that nothing is lost.
    Demo(demo::Arguments),
    /// Create, list, describe and delete topics, and change their settings.
    #[command(subcommand)]
    Topic(topic::Command),
    /// Check and show the configuration of an application.
    #[command(subcommand)]
    Config(config::Command),
    /// Write records: lines of standard input, or files.
    Produce(produce::Arguments),
    /// Read records.
    Consume(consume::Arguments),
    /// List, describe, reset and delete consumer groups.
    #[command(subcommand)]
    Group(group::Command),
    /// Look at dead letters, send them back, delete them.
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Delete the records at the front of partitions.
    #[command(subcommand)]
    Records(records::Command),
    /// Show how much space partitions take.
    #[command(subcommand)]
    LogDir(log_dir::Command),
    /// Move partitions between brokers, elect their preferred leaders.
    #[command(subcommand)]
    Reassign(reassign::Command),
    /// Show and change who may do what.
    #[command(subcommand)]
    Acl(acl::Command),
    /// Show and change how much users and clients may do.
    #[command(subcommand)]
    Quota(quota::Command),
    /// Show and change passwords for SASL SCRAM.
    #[command(subcommand)]
    User(user::Command),
    /// Keep the notifications of a topic in a database, and deliver them.
    #[cfg(feature = "service")]
    Service(service::Arguments),
    /// Run a single-node broker for development and tests; settings of a cluster's brokers.
    Broker(broker::Arguments),
}

impl Command {
    /// What is logged unless `MILENA_LOG` says otherwise. Most commands say themselves what
    /// went wrong; a broker has nobody else to tell, and a configuration is warned about in logs
    /// only.
    pub(crate) fn log_default(&self) -> &'static str {
        match self {
            Command::Broker(arguments) if arguments.serves() => "warn",
            Command::Config(_) => "warn",
            #[cfg(feature = "service")]
            Command::Service(_) => "info",
            _ => "off",
        }
    }

    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Command::Demo(arguments) => demo::run(arguments).await,
            Command::Topic(command) => topic::run(command).await,
            Command::Config(command) => config::run(command).await,
            Command::Produce(arguments) => produce::run(arguments).await,
            Command::Consume(arguments) => consume::run(arguments).await,
            Command::Group(command) => group::run(command).await,
            Command::Dlq(command) => dlq::run(command).await,
            Command::Records(command) => records::run(command).await,
            Command::LogDir(command) => log_dir::run(command).await,
            Command::Reassign(command) => reassign::run(command).await,
            Command::Acl(command) => acl::run(command).await,
            Command::Quota(command) => quota::run(command).await,
            Command::User(command) => user::run(command).await,
            #[cfg(feature = "service")]
            Command::Service(arguments) => Box::pin(service::run(arguments)).await,
            Command::Broker(arguments) => broker::run(arguments).await,
        }
    }
}
