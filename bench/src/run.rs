//! The run for people: every client against every broker, in interleaved rounds.
//!
//! Owns the processes and nothing that is measured.

use crate::brokers::Broker;
use crate::clients::{Client, Work};
use crate::report::{self, Row};
use crate::usage::Usage;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PARTITIONS: [i32; 2] = [1, 12];
const MESSAGES: u64 = 2_000_000;
const MESSAGES_QUICK: u64 = 200_000;
const ROUNDS: usize = 5;

/// Produces what a consumer then reads.
const FILLER: Client = Client::MilenaProducer;

/// One line of the report before it is measured.
#[derive(Clone, Copy, Debug)]
struct Case {
    client: Client,
    broker: Broker,
    partitions: i32,
}

pub(crate) fn run(json: Option<&Path>, quick: bool, only: &[String]) -> Result<()> {
    let (messages, rounds) = if quick {
        (MESSAGES_QUICK, 1)
    } else {
        (MESSAGES, ROUNDS)
    };
    let cases = cases(only);
    ensure!(!cases.is_empty(), "no row matches --only");
    let mut usages: Vec<Vec<Usage>> = vec![Vec::new(); cases.len()];
    for round in 1..=rounds {
        for (case, usages) in cases.iter().zip(&mut usages) {
            eprintln!(
                "round {round} of {rounds}: {} {} {} {}",
                case.client.work().name(),
                case.partitions,
                case.broker.name(),
                case.client.name()
            );
            usages.push(measure(*case, messages)?);
        }
    }
    let rows: Vec<Row> = cases
        .iter()
        .zip(&usages)
        .map(|(case, usages)| row(*case, messages).with_median_of(usages))
        .collect();
    print!("{}", report::table(&rows));
    json.map_or(Ok(()), |path| report::write_json(&rows, path))
}

fn cases(only: &[String]) -> Vec<Case> {
    let mut cases = Vec::new();
    for work in [Work::Produce, Work::Consume] {
        for partitions in PARTITIONS {
            for broker in Broker::ALL {
                let clients = Client::ALL.into_iter();
                cases.extend(
                    clients
                        .filter(|client| client.work() == work)
                        .map(|client| Case {
                            client,
                            broker,
                            partitions,
                        }),
                );
            }
        }
    }
    cases.retain(|case| case.is_selected(only));
    cases
}

impl Case {
    fn is_selected(self, only: &[String]) -> bool {
        let words = [
            self.client.work().name(),
            self.broker.name(),
            self.client.name(),
        ];
        let matches = |wanted: &String| words.iter().any(|word| word.contains(wanted.as_str()));
        only.is_empty() || only.iter().any(matches)
    }
}

fn row(case: Case, messages: u64) -> Row {
    Row {
        work: case.client.work().name(),
        partitions: case.partitions,
        broker: case.broker.name(),
        client: case.client.name(),
        messages,
        cpu_ns_per_message: 0.0,
        messages_per_s: 0.0,
        peak_mb: 0.0,
    }
}

fn measure(case: Case, messages: u64) -> Result<Usage> {
    let broker = BrokerProcess::start(case)?;
    if case.client.work() == Work::Consume && case.broker.needs_records() {
        run_client(FILLER, case.partitions, messages, &broker.address)?;
    }
    run_client(case.client, case.partitions, messages, &broker.address)
}

fn run_client(client: Client, partitions: i32, messages: u64, brokers: &str) -> Result<Usage> {
    let output = this_program()?
        .args(["client", &clap_name(&client)])
        .args(["--brokers", brokers])
        .args(["--partitions", &partitions.to_string()])
        .args(["--messages", &messages.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{} failed", client.name());
    serde_json::from_slice(&output.stdout).context("cannot read what the client used")
}

/// A broker in a process of its own; it ends when its stdin does.
struct BrokerProcess {
    child: Child,
    address: String,
}

impl BrokerProcess {
    fn start(case: Case) -> Result<Self> {
        let mut child = this_program()?
            .args(["broker", &clap_name(&case.broker)])
            .args(["--partitions", &case.partitions.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("stdout is piped")?;
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address)?;
        ensure!(
            !address.is_empty(),
            "the {} broker did not start",
            case.broker.name()
        );
        Ok(Self {
            child,
            address: address.trim().to_owned(),
        })
    }
}

impl Drop for BrokerProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("cannot wait for a broker: {error}");
        }
    }
}

fn this_program() -> Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

fn clap_name(value: &impl clap::ValueEnum) -> String {
    let possible = value.to_possible_value();
    possible.map_or_else(String::new, |possible| possible.get_name().to_owned())
}
