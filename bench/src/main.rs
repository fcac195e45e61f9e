//! Side-by-side runs of Milena and its peers: what one message costs the client's process.
//!
//! Every measured client and every broker runs in a process of its own: this program started again
//! with another command. `run` is the one for people.

mod brokers;
mod clients;
mod load;
mod null_broker;
mod peers;
mod report;
mod run;
mod usage;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(version, about = "Side-by-side runs of Milena and its peers")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure everything, print a table
    Run {
        /// Also write the rows to this file, as JSON
        #[arg(long)]
        json: Option<PathBuf>,
        /// Fewer messages and one round: shows that it works, not how fast
        #[arg(long)]
        quick: bool,
        /// How often each row is measured; the median counts
        #[arg(long, default_value_t = run::ROUNDS, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Only rows whose work, broker or client contains one of these words
        #[arg(long)]
        only: Vec<String>,
    },
    /// Serve one broker until stdin ends; prints its address
    #[command(hide = true)]
    Broker {
        broker: brokers::Broker,
        #[arg(long)]
        partitions: i32,
    },
    /// Run one client once; prints what it used as JSON
    #[command(hide = true)]
    Client {
        client: clients::Client,
        #[command(flatten)]
        load: load::Load,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Run {
            json,
            quick,
            rounds,
            only,
        } => run::run(json.as_deref(), quick, rounds, &only),
        Command::Broker { broker, partitions } => brokers::serve(broker, partitions),
        Command::Client { client, load } => clients::measure(client, &load),
    }
}
