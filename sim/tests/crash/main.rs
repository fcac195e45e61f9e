//! kill -9 of `milena broker --data DIR` under load: what was acknowledged is there afterwards,
//! once, in order, and clients that lived through it go on.
//!
//! Each run prints its seed; `MILENA_SEED` repeats it.

mod groups;
mod transactions;

use anyhow::{Result, ensure};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Admin, Client, ClientConfig};
use milena_sim::history::Place;
use milena_sim::load::Load;
use milena_sim::program::{BrokerProcess, free_port};
use milena_sim::target::{all_partitions, take};
use std::time::Duration;

const PARTITIONS: i32 = 3;
const KILLS: usize = 20;
/// A kill comes only after so many more acknowledgements, so that each one hits a working broker.
const ACKNOWLEDGED_BETWEEN_KILLS: usize = 500;
const TOPIC: &str = "crash";

fn seed() -> u64 {
    let given = std::env::var("MILENA_SEED").ok();
    let seed = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    eprintln!("MILENA_SEED={seed}");
    seed
}

/// Of a client that looks for the broker again at once.
fn client_config(bootstrap: &str) -> ClientConfig {
    ClientConfig::new(bootstrap)
        .reconnect_backoff(Duration::from_millis(5), Duration::from_millis(50))
        .retry_backoff(Duration::from_millis(5), Duration::from_millis(50))
}

fn client(bootstrap: &str) -> Result<Client> {
    Ok(Client::new(client_config(bootstrap))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_records_survive_twenty_kills_once_and_in_order() -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed());
    let data = tempfile::tempdir()?;
    let port = free_port()?;
    let partitions = format!("num.partitions={PARTITIONS}");
    let properties = [partitions.as_str()];
    let start = || BrokerProcess::start(port, Some(data.path()), &properties);
    let mut broker = start().await?;
    let client = client(&broker.bootstrap())?;
    let producer = Producer::new(&client, ProducerConfig::default())?;

    let mut load = Load::start(&producer, TOPIC, PARTITIONS);
    for kill in 1..=KILLS {
        load.until_acknowledged(ACKNOWLEDGED_BETWEEN_KILLS).await?;
        // When the kill hits is the point of the test, and differs each time.
        tokio::time::sleep(Duration::from_micros(random.u64(0..100_000))).await;
        broker.kill().await?;
        eprintln!(
            "kill {kill}: {} acknowledged so far",
            load.acknowledged_count()
        );
        broker = start().await?;
    }
    load.until_acknowledged(ACKNOWLEDGED_BETWEEN_KILLS).await?;
    let mut history = load.stop().await?;
    producer.close().await?;

    let config = ConsumerConfig::new().auto_offset_reset(OffsetReset::Earliest);
    let reader = Consumer::new(&client, config)?;
    reader.assign(all_partitions(TOPIC, PARTITIONS)).await?;
    for record in take(&reader, history.acknowledged_count()).await? {
        let place = Place {
            partition: record.partition(),
            offset: record.offset(),
        };
        let text = std::str::from_utf8(record.value().unwrap_or_default())?;
        history.read(0, place, text.parse().map_err(anyhow::Error::msg)?);
    }
    history.assert_sound();
    let mut ends = 0;
    for partition in all_partitions(TOPIC, PARTITIONS) {
        ends += reader
            .watermarks(&partition, Duration::from_secs(10))
            .await?
            .high;
    }
    ensure!(
        usize::try_from(ends)? == history.acknowledged_count(),
        "the logs hold {ends} records, {} were acknowledged",
        history.acknowledged_count()
    );
    reader.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_and_committed_offsets_survive_a_kill() -> Result<()> {
    let data = tempfile::tempdir()?;
    let port = free_port()?;
    let mut broker = BrokerProcess::start(port, Some(data.path()), &[]).await?;
    let client = client(&broker.bootstrap())?;
    let producer = Producer::new(&client, ProducerConfig::default())?;
    for number in 0..20 {
        let value = number.to_string();
        producer.send(Record::to(TOPIC).value(&value)).await?;
    }
    let partition = all_partitions(TOPIC, 1).remove(0);
    for round in 1..=5_i64 {
        let config = ConsumerConfig::group("survivors").auto_offset_reset(OffsetReset::Earliest);
        let member = Consumer::new(&client, config)?;
        member.subscribe([TOPIC]).await?;
        let records = take(&member, 2).await?;
        assert_eq!(records[0].offset(), 2 * (round - 1), "in round {round}");
        member.commit().await?;
        broker.kill().await?;
        broker = BrokerProcess::start(port, Some(data.path()), &[]).await?;
        if let Err(error) = member.close().await {
            eprintln!("the member left a group that the broker may have forgotten: {error}");
        }
    }
    let committed = Admin::new(&client).committed_offsets("survivors").await?;
    assert_eq!(committed.len(), 1);
    assert_eq!(
        (&committed[0].partition, committed[0].offset),
        (&partition, 10)
    );
    producer.close().await?;
    broker.kill().await?;
    Ok(())
}
