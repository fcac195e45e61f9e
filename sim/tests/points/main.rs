//! An application that ends wherever it is (the process aborts), at each point between a record
//! and its commit: afterwards every record is handled at least once, or is a dead letter, and
//! counts exactly once where it is to.
//!
//! On a broker process with a data directory, or on the cluster that `MILENA_TEST_BROKERS` names.
//! The application is this test binary, started again ([`child`]).

mod child;
mod crash;

use anyhow::{Context, Result, ensure};
use child::{Application, Kind, NUMBERS, PARTITIONS};
use milena::{Config, Outgoing, Publisher};
use milena_client::admin::NewTopic;
use milena_client::consumer::{Consumer, ConsumerConfig, IsolationLevel, OffsetReset};
use milena_client::{Admin, Client, ClientConfig};
use milena_sim::program::{BrokerProcess, free_port};
use milena_sim::target::{BROKERS_VARIABLE, all_partitions, eventually_within, unique};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(60);
/// How long nothing may come before a test takes it for certain that nothing will.
const QUIET: Duration = Duration::from_millis(300);
/// The how-manieth time the point is reached the process ends: at the first start, and the second.
const COUNTS: [u32; 2] = [2, 1];

#[tokio::test(flavor = "multi_thread")]
async fn when_a_record_was_received() -> Result<()> {
    check(Kind::Single, "received").await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_handler_was_done() -> Result<()> {
    check(Kind::Single, "handled").await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_dead_letter_was_acknowledged() -> Result<()> {
    check(Kind::Single, "dead_letter").await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_retry_was_acknowledged() -> Result<()> {
    check(Kind::Single, "retry_moved").await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_retry_was_handled() -> Result<()> {
    check(Kind::Single, "retried").await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_offset_was_committed() -> Result<()> {
    check(Kind::Single, "consumer_commit").await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_batch_was_partly_done() -> Result<()> {
    check(Kind::Batch, "handler_retry").await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_output_was_waiting_for_its_transaction() -> Result<()> {
    check(Kind::Exact, "handled").await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_transaction_was_written() -> Result<()> {
    check(Kind::Exact, "transaction_written").await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_transaction_was_committed() -> Result<()> {
    check(Kind::Exact, "transaction_committed").await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_partitions_were_revoked() -> Result<()> {
    for kind in [Kind::Single, Kind::Exact] {
        let stage = Stage::set(kind).await?;
        let mut first = stage.start("one", Some(("partitions_revoked", 1)))?;
        eventually_within(WAIT, "the first member works", async || {
            Ok((stage.witness()?.len() > 1).then_some(()))
        })
        .await?;
        let mut second = stage.start("two", None)?;
        first.until_aborted(WAIT).await?;
        let mut first = stage.start("one", None)?;
        stage.publish(NUMBERS / 2..NUMBERS).await?;
        stage.verify().await?;
        first.kill().await?;
        second.kill().await?;
    }
    Ok(())
}

/// Ends the application twice at the point, then lets it finish.
async fn check(kind: Kind, point: &str) -> Result<()> {
    let stage = Stage::set(kind).await?;
    for (start, count) in COUNTS.into_iter().enumerate() {
        if start > 0 {
            // Something is left to reach the point with.
            stage.publish(NUMBERS / 2..NUMBERS).await?;
        }
        let mut crashing = stage.start("one", Some((point, count)))?;
        let aborted = crashing.until_aborted(WAIT).await;
        aborted.with_context(|| format!("at {point}, time {count}"))?;
    }
    let mut last = stage.start("one", None)?;
    stage.verify().await?;
    last.kill().await
}

/// A broker with records to handle.
struct Stage {
    kind: Kind,
    bootstrap: String,
    prefix: String,
    config: Config,
    client: Client,
    dir: tempfile::TempDir,
    _broker: Option<BrokerProcess>,
}

impl Stage {
    async fn set(kind: Kind) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (broker, bootstrap) = match std::env::var(BROKERS_VARIABLE) {
            Ok(brokers) => (None, brokers),
            Err(_) => {
                let data = dir.path().join("data");
                let broker = BrokerProcess::start(free_port()?, Some(&data), &[]).await?;
                let bootstrap = broker.bootstrap();
                (Some(broker), bootstrap)
            }
        };
        let prefix = format!("{}.", unique("points"));
        let config = child::config(&bootstrap, &prefix, "publisher")?;
        let client = Client::new(ClientConfig::new(&bootstrap))?;
        let stage = Self {
            kind,
            bootstrap,
            prefix,
            config,
            client,
            dir,
            _broker: broker,
        };
        for topic in ["orders", "orders.dlq", "outputs"] {
            let topic = NewTopic::new(stage.topic(topic)).partitions(PARTITIONS);
            Admin::new(&stage.client).create_topic(topic).await?;
        }
        stage.publish(0..NUMBERS / 2).await?;
        Ok(stage)
    }

    async fn publish(&self, numbers: Range<u32>) -> Result<()> {
        let publisher = Publisher::new(&self.config)?;
        for number in numbers {
            let partition = i32::try_from(number)? % PARTITIONS;
            let message = Outgoing::to("orders").partition(partition).json(&number)?;
            let _delivery = publisher.enqueue(&message).await?;
        }
        publisher.flush(WAIT).await?;
        Ok(publisher.close().await?)
    }

    fn topic(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    fn start(&self, instance: &str, crash: Option<(&str, u32)>) -> Result<Application> {
        let witness = self.dir.path().join("witness");
        Application::start(
            self.kind,
            &self.bootstrap,
            &self.prefix,
            instance,
            &witness,
            crash,
        )
    }

    /// The numbers that handlers handled, as often as they did.
    fn witness(&self) -> Result<Vec<u32>> {
        let path = self.dir.path().join("witness");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| Ok(line.parse()?)).collect()
    }

    /// Waits until everything is committed, then looks at what became of each record.
    async fn verify(&self) -> Result<()> {
        eventually_within(WAIT, "everything is committed", async || {
            Ok(self.is_committed().await?.then_some(()))
        })
        .await?;
        let refused: Vec<u32> = (0..NUMBERS).filter(|one| child::is_refused(*one)).collect();
        let fine: Vec<u32> = (0..NUMBERS)
            .filter(|one| !child::is_refused(*one))
            .collect();
        let letters = self.count("orders.dlq", &refused).await?;
        if self.kind == Kind::Exact {
            let outputs = self.count("outputs", &fine).await?;
            for (number, count) in letters.iter().chain(&outputs) {
                ensure!(*count == 1, "{number} counts {count} times");
            }
        } else {
            let handled = self.witness()?;
            for number in fine {
                ensure!(handled.contains(&number), "{number} was not handled");
            }
        }
        Ok(())
    }

    /// Whether the group is at the end of the orders, and of its retries.
    async fn is_committed(&self) -> Result<bool> {
        let group = child::group(&self.prefix);
        let committed = Admin::new(&self.client).committed_offsets(&group).await?;
        let reader = self.reader("orders").await?;
        let mut topics = vec![self.topic("orders")];
        if self.kind == Kind::Single {
            topics.push(self.topic(&format!("{group}.retry")));
        }
        for topic in topics {
            for partition in all_partitions(&topic, PARTITIONS) {
                let end = reader.watermarks(&partition, WAIT).await?.high;
                let offset = committed.iter().find(|one| one.partition == partition);
                if offset.map_or(0, |one| one.offset) != end {
                    return Ok(false);
                }
            }
        }
        reader.close().await?;
        Ok(true)
    }

    async fn reader(&self, topic: &str) -> Result<Consumer> {
        let config = ConsumerConfig::new()
            .auto_offset_reset(OffsetReset::Earliest)
            .isolation_level(IsolationLevel::ReadCommitted);
        let reader = Consumer::new(&self.client, config)?;
        let partitions = all_partitions(&self.topic(topic), PARTITIONS);
        reader.assign(partitions).await?;
        Ok(reader)
    }

    /// How often each number is in the topic; all of `expected` are, and no others.
    async fn count(&self, topic: &str, expected: &[u32]) -> Result<BTreeMap<u32, usize>> {
        let reader = self.reader(topic).await?;
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        loop {
            let wait = if counts.len() < expected.len() {
                WAIT
            } else {
                QUIET
            };
            let Some(record) = reader.consume_next(wait).await? else {
                break;
            };
            let text = std::str::from_utf8(record.value().unwrap_or_default())?;
            *counts.entry(text.parse()?).or_default() += 1;
        }
        let seen: Vec<u32> = counts.keys().copied().collect();
        ensure!(seen == expected, "{topic} has {seen:?}, not {expected:?}");
        reader.close().await?;
        Ok(counts)
    }
}
