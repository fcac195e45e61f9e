//! The run for people: every client against every broker, in interleaved rounds.
//!
//! Owns the processes and nothing that is measured.

use crate::brokers::Broker;
use crate::clients::{Client, Work};
use crate::load::{Codec, Load};
use crate::peers::{Peer, Program};
use crate::report::{self, Row};
use crate::usage::Usage;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PARTITIONS: [i32; 2] = [1, 12];
/// So many that looking at each of them every time would show.
const PARTITIONS_MANY: i32 = 10_000;
const MESSAGES: u64 = 2_000_000;
const MESSAGES_QUICK: u64 = 200_000;
/// Each is waited for, so there are fewer.
const MESSAGES_AWAITED: u64 = 5_000;
/// By the handlers of another language, which take long for each.
const MESSAGES_HANDLED_SLOWLY: u64 = 100_000;
const IDLE_CONSUMERS: u64 = 1_000;
/// Failed messages that wait at once.
const MESSAGES_WAITING: u64 = 1_000_000;
pub(crate) const ROUNDS: u32 = 5;

/// Produces what a consumer then reads.
const FILLER: Runner = Runner::Own(Client::MilenaProducer);

/// Who does the work of a case.
#[derive(Clone, Debug)]
enum Runner {
    /// This program.
    Own(Client),
    /// A client of another language.
    Other(Program),
}

/// One line of the report before it is measured.
#[derive(Clone, Debug)]
struct Case {
    runner: Runner,
    work: Work,
    broker: Broker,
    codec: Codec,
    partitions: i32,
    messages: u64,
}

pub(crate) fn run(json: Option<&Path>, quick: bool, rounds: u32, only: &[String]) -> Result<()> {
    let (messages, rounds) = if quick {
        (MESSAGES_QUICK, 1)
    } else {
        (MESSAGES, rounds)
    };
    let (peers, absent) = peers();
    let mut cases = cases(messages, &peers);
    cases.retain(|case| case.is_selected(only));
    ensure!(!cases.is_empty(), "no row matches --only");
    let mut usages: Vec<Vec<Usage>> = vec![Vec::new(); cases.len()];
    for round in 1..=rounds {
        for (case, usages) in cases.iter().zip(&mut usages) {
            eprintln!("round {round} of {rounds}: {}", case.words().join(" "));
            usages.push(measure(case)?);
        }
    }
    let rows: Vec<Row> = cases
        .iter()
        .zip(&usages)
        .map(|(case, usages)| row(case).with_median_of(usages))
        .collect();
    print!("{}", report::table(&rows));
    println!("not measured: rdkafka with zstd: its C library is built without libzstd");
    for reason in absent {
        println!("not measured: {reason}");
    }
    json.map_or(Ok(()), |path| report::write_json(&rows, path))
}

/// The peers that can run here, and why the others cannot.
fn peers() -> (Vec<Program>, Vec<String>) {
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    for peer in Peer::ALL {
        match peer.prepare() {
            Ok(program) => present.push(program),
            Err(reason) => absent.push(format!("{}: {reason}", peer.name())),
        }
    }
    (present, absent)
}

fn cases(messages: u64, peers: &[Program]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |work, broker, codec, partitions, messages| {
        // The C library is built without libzstd.
        let is_able =
            |client: &Client| codec != Codec::Zstd || !client.name().starts_with("rdkafka");
        let own = Client::ALL
            .into_iter()
            .filter(|client| client.work() == work && is_able(client));
        let others = peers.iter().filter(|peer| peer.peer.does(work));
        let runners = own
            .map(Runner::Own)
            .chain(others.cloned().map(Runner::Other));
        cases.extend(runners.map(|runner| Case {
            work,
            broker,
            codec,
            partitions,
            messages: runner.messages(work, messages),
            runner,
        }));
    };
    for work in [Work::Produce, Work::Consume] {
        for partitions in PARTITIONS {
            for broker in Broker::ALL {
                add(work, broker, Codec::None, partitions, messages);
            }
        }
    }
    for codec in [Codec::Lz4, Codec::Zstd] {
        add(Work::Produce, Broker::Null, codec, 12, messages);
        // The null broker has no compressed batches to serve.
        add(Work::Consume, Broker::Milena, codec, 12, messages);
    }
    add(
        Work::Produce,
        Broker::Null,
        Codec::None,
        PARTITIONS_MANY,
        messages,
    );
    add(Work::Handle, Broker::Milena, Codec::None, 12, messages);
    add(
        Work::Latency,
        Broker::Milena,
        Codec::None,
        1,
        MESSAGES_AWAITED,
    );
    let waiting = messages.min(MESSAGES_WAITING);
    add(Work::Retry, Broker::Null, Codec::None, 12, waiting);
    add(Work::Idle, Broker::Milena, Codec::None, 1, IDLE_CONSUMERS);
    cases
}

impl Runner {
    fn name(&self) -> &'static str {
        match self {
            Self::Own(client) => client.name(),
            Self::Other(program) => program.peer.name(),
        }
    }

    /// Of `messages`, what is enough to measure it.
    fn messages(&self, work: Work, messages: u64) -> u64 {
        match self {
            Self::Other(_) if work == Work::Handle => messages.min(MESSAGES_HANDLED_SLOWLY),
            _ => messages,
        }
    }
}

impl Case {
    /// What tells it from the others, and what `--only` looks at.
    fn words(&self) -> [String; 5] {
        [
            self.work.name().to_owned(),
            self.partitions.to_string(),
            self.broker.name().to_owned(),
            self.codec.name().to_owned(),
            self.runner.name().to_owned(),
        ]
    }

    fn is_selected(&self, only: &[String]) -> bool {
        let words = self.words();
        let matches = |wanted: &String| words.iter().any(|word| word.contains(wanted.as_str()));
        only.is_empty() || only.iter().any(matches)
    }
}

fn row(case: &Case) -> Row {
    Row {
        work: case.work.name(),
        partitions: case.partitions,
        broker: case.broker.name(),
        codec: case.codec.name(),
        client: case.runner.name(),
        messages: case.messages,
        cpu_ns_per_message: 0.0,
        messages_per_s: 0.0,
        peak_mb: 0.0,
        p50_us: None,
    }
}

fn measure(case: &Case) -> Result<Usage> {
    let broker = BrokerProcess::start(case)?;
    let load = Load {
        brokers: broker.address.clone(),
        partitions: case.partitions,
        messages: case.messages,
        codec: case.codec,
        payload: case.work.payload(),
    };
    if case.work.reads() && case.broker.needs_records() {
        run_client(&FILLER, Work::Produce, &load)?;
    }
    run_client(&case.runner, case.work, &load)
}

fn run_client(runner: &Runner, work: Work, load: &Load) -> Result<Usage> {
    let mut command = match runner {
        Runner::Own(client) => {
            let mut command = this_program()?;
            command
                .args(["client", &clap_name(client)])
                .args(["--brokers", &load.brokers])
                .args(["--partitions", &load.partitions.to_string()])
                .args(["--messages", &load.messages.to_string()])
                .args(["--codec", load.codec.name()])
                .args(["--payload", &clap_name(&load.payload)]);
            command
        }
        Runner::Other(program) => program.command(work, load),
    };
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{} failed", runner.name());
    if work == Work::Latency {
        return median_time(&String::from_utf8_lossy(&output.stdout));
    }
    serde_json::from_slice(&output.stdout).context("cannot read what the client used")
}

/// From the time of each message, a line each in nanoseconds.
fn median_time(lines: &str) -> Result<Usage> {
    let times = lines.lines().map(str::parse);
    let times: Vec<u64> = times
        .collect::<Result<_, _>>()
        .context("cannot read the times of a client")?;
    ensure!(!times.is_empty(), "a client told no times");
    Ok(Usage {
        cpu_ns: 0,
        wall_ns: times.iter().sum(),
        peak_kb: 0,
        p50_ns: Some(report::median(times)),
    })
}

/// A broker in a process of its own; it ends when its stdin does.
struct BrokerProcess {
    child: Child,
    address: String,
}

impl BrokerProcess {
    fn start(case: &Case) -> Result<Self> {
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
