//! kill -9 in the middle of transactions: each is there as a whole, or not at all, as its producer
//! was told.

use super::{client, seed};
use anyhow::{Context, Result};
use milena_client::transaction::Outcome;
use milena_sim::program::{BrokerProcess, free_port};
use milena_sim::transactions::TransactionLoad;
use std::time::Duration;

const TOPIC: &str = "crash-transactions";
const PARTITIONS: i32 = 3;
const KILLS: usize = 10;
/// So many more transactions between two kills, so that each one hits a working broker.
const ENDED_BETWEEN_KILLS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn transactions_survive_ten_kills_whole_or_not_at_all() -> Result<()> {
    for version in ["transaction.version=1", "transaction.version=2"] {
        check(version).await.context(version)?;
    }
    Ok(())
}

async fn check(version: &str) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed());
    let data = tempfile::tempdir()?;
    let port = free_port()?;
    let partitions = format!("num.partitions={PARTITIONS}");
    let properties = [partitions.as_str(), version];
    let start = || BrokerProcess::start(port, Some(data.path()), &properties);
    let mut broker = start().await?;
    let client = client(&broker.bootstrap())?;
    let mut load = TransactionLoad::start(&client, "crash", TOPIC, PARTITIONS, random.u64(..));
    for kill in 1..=KILLS {
        let ended = load.until_ended(ENDED_BETWEEN_KILLS).await;
        ended.with_context(|| format!("before kill {kill}"))?;
        // When the kill hits is the point of the test, and differs each time.
        tokio::time::sleep(Duration::from_micros(random.u64(0..30_000))).await;
        broker.kill().await?;
        broker = start().await?;
    }
    let history = load.stop().await?;
    history.verify(&client).await?;
    eprintln!("{} committed", history.count(Outcome::Committed));
    broker.kill().await
}
