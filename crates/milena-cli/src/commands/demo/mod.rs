//! `milena demo`: the way of real events from a file through publisher, handler, retries
//! and dead letters, with a check at the end that nothing was lost.

mod cluster;
mod dead_letters;
mod handler;
mod plan;
mod publish;
mod report;
mod tally;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use milena::{App, AppError, Concurrency, Config, Progress, Publisher, Retry};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::cluster::Cluster;
use self::handler::Demo;
use self::plan::{Event, Flight, Plausible};
use self::report::Report;
use self::tally::Tally;
use crate::failure::Failure;

/// A run that makes no progress for this long has failed.
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// How often the counts are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often a record is tried before it is a dead letter.
const ATTEMPTS_MAX: u32 = 4;

/// Publish real events, handle them, and check that nothing is lost.
///
/// The events are 5,000 flights of the US Bureau of Transportation Statistics, or your own
/// JSON lines. Four of each hundred are made to go wrong: one cut off, one with a value
/// that does not fit, one whose handler fails once, one whose handler fails twice; and
/// one of all always fails. Exits with 0 only if every record was handled or is in the
/// dead letter topic, the order of each key held, and the group's lag is 0.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Run on this cluster, in topics of its own that are deleted afterwards; without it,
    /// on an embedded broker.
    #[arg(short = 'b', long, value_name = "HOST:PORT")]
    brokers: Option<String>,

    /// Publish the lines of this file, each a JSON value, instead of the flights.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,

    /// The field of each line that is its key.
    #[arg(long, value_name = "FIELD", requires = "input")]
    key: Option<String>,

    /// Partitions of the topic.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=1000))]
    partitions: i32,

    /// Leave the topics where they are, to look at them.
    #[arg(long, requires = "brokers")]
    keep: bool,
}

/// Runs the demo.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let events = match &arguments.input {
        None => plan::flights().map_err(Failure::run)?,
        Some(path) => {
            let text = std::fs::read(path)
                .map_err(|error| Failure::usage(format!("--input {}: {error}", path.display())))?;
            plan::own_lines(&text, arguments.key.as_deref())
        }
    };
    if events.is_empty() {
        return Err(Failure::usage(
            "--input: the file has no lines; put one JSON value a line",
        ));
    }
    let cluster = Cluster::open(arguments.brokers.as_deref(), arguments.partitions).await?;
    let performing = async {
        if arguments.input.is_none() {
            perform::<Flight>(&cluster, events).await
        } else {
            perform::<serde_json::Value>(&cluster, events).await
        }
    };
    let performed = tokio::select! {
        performed = performing => performed,
        _ = tokio::signal::ctrl_c() => Err(Failure::run("interrupted")),
    };
    let closed = cluster.close(arguments.keep).await;
    let report = performed?;
    closed?;
    report.print()?;
    report.verdict()
}

/// Publishes and handles all events, each of them as a `T`.
async fn perform<T: DeserializeOwned + Plausible + Send + 'static>(
    cluster: &Cluster,
    events: Vec<Event>,
) -> Result<Report, Failure> {
    let tally = Arc::new(Mutex::new(Tally::new(events.len())));
    let config = cluster.config()?;
    let app = App::new(config.clone())
        .state(Demo::new(tally.clone()))
        .topic(
            cluster.topic(),
            milena::handler(handler::on_event::<T>)
                .retry(Retry::exponential(Duration::from_millis(5)).attempts(ATTEMPTS_MAX))
                .dead_letter(cluster.dead_letter_topic())
                .concurrency(Concurrency::PerKey(16)),
        );
    let mut running = Running::start(app);
    running.wait_for_partitions(cluster.partitions()).await?;
    let bar = progress_bar(events.len());
    let started = Instant::now();
    let published = publish(&config, cluster, &events, &running, &bar).await;
    let finished = match published {
        Ok(()) => running.wait_for_records(events.len(), &bar).await,
        Err(failure) => Err(failure),
    };
    let elapsed = started.elapsed();
    bar.finish_and_clear();
    let progress = running.stop().await?;
    finished?;
    let found = dead_letters::read_back(cluster, &events, &tally).await?;
    Ok(Report {
        published: events.len(),
        retries: progress.retries(),
        dead_letters: found,
        lag: cluster.lag().await?,
        elapsed,
        tally,
    })
}

async fn publish(
    config: &Config,
    cluster: &Cluster,
    events: &[Event],
    running: &Running,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let publisher = Publisher::new(config).map_err(|error| Failure::run(error.to_string()))?;
    let showing = async {
        loop {
            bar.set_position(running.done());
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    let published = tokio::select! {
        published = publish::all(&publisher, cluster.topic(), events) => published,
        never = showing => never,
    };
    let closed = publisher.close().await;
    published
        .and(closed)
        .map_err(|error| Failure::run(error.to_string()))
}

/// The application at work.
struct Running {
    progress: Progress,
    stop: oneshot::Sender<()>,
    app: JoinHandle<Result<(), AppError>>,
}

impl Running {
    fn start<S: Clone + Send + Sync + 'static>(app: App<S>) -> Running {
        let progress = app.progress();
        let (stop, stopped) = oneshot::channel::<()>();
        let app = tokio::spawn(app.run_until(async {
            // Dropping the sender stops it as well.
            let _ = stopped.await;
        }));
        Running {
            progress,
            stop,
            app,
        }
    }

    fn done(&self) -> u64 {
        self.progress.handled() + self.progress.dead_lettered()
    }

    async fn wait_for_partitions(&mut self, partitions: usize) -> Result<(), Failure> {
        let progress = self.progress.clone();
        let is_there = move || progress.partitions() >= partitions as u64;
        self.wait_until("the group got no partitions", is_there, || {})
            .await
    }

    async fn wait_for_records(&mut self, records: usize, bar: &ProgressBar) -> Result<(), Failure> {
        let progress = self.progress.clone();
        let done = move || progress.handled() + progress.dead_lettered();
        let is_there = || done() >= records as u64;
        self.wait_until("no record was handled", is_there, || {
            bar.set_position(done())
        })
        .await
    }

    /// Looks again and again, until `is_there`, the application ends, or nothing happens.
    async fn wait_until(
        &mut self,
        stalled: &str,
        is_there: impl Fn() -> bool,
        mut show: impl FnMut(),
    ) -> Result<(), Failure> {
        let mut last_done = self.done();
        let mut last_change = Instant::now();
        while !is_there() {
            show();
            tokio::select! {
                ended = &mut self.app => return Err(ended_early(ended)),
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            if self.done() != last_done {
                last_done = self.done();
                last_change = Instant::now();
            } else if last_change.elapsed() > STALLED_AFTER {
                let seconds = STALLED_AFTER.as_secs();
                return Err(Failure::run(format!("{stalled} for {seconds} s")));
            }
        }
        Ok(())
    }

    /// Stops the application, which commits what it did; its counts.
    async fn stop(self) -> Result<Progress, Failure> {
        drop(self.stop);
        match self.app.await {
            Ok(Ok(())) => Ok(self.progress),
            ended => Err(ended_early(ended)),
        }
    }
}

fn ended_early(ended: Result<Result<(), AppError>, tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(Ok(())) => Failure::run("the application stopped by itself"),
        Ok(Err(error)) => Failure::run(error.to_string()),
        Err(error) => Failure::run(error.to_string()),
    }
}

/// On a terminal, on standard error; nothing elsewhere.
fn progress_bar(records: usize) -> ProgressBar {
    let bar = ProgressBar::new(records as u64);
    let template = "{spinner} handling {bar:40} {pos}/{len} {per_sec}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
