//! An idempotent producer while connections break and brokers refuse: nothing is lost, doubled or
//! reordered. Needs faults on order, so an embedded broker.

use crate::ordering::parse;
use anyhow::Result;
use milena_broker::{ApiKey, ErrorCode, Fault, Faults};
use milena_client::Client;
use milena_client::ClientConfig;
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_sim::history::{History, Place, RecordId};
use milena_sim::target::{Target, on_target};
use std::time::Duration;

const RECORDS: u64 = 3_000;
const PARTITIONS: i32 = 2;

/// Produces under `faults` that strike now and then, and reads back.
async fn check(target: &Target, name: &str, order: impl Fn(&Faults)) -> Result<()> {
    let Some(faults) = target.faults() else {
        eprintln!("left out: a cluster takes no orders for faults");
        return Ok(());
    };
    let topic = target.topic(name, PARTITIONS).await?;
    let client = Client::new(
        ClientConfig::new(target.bootstrap())
            .request_timeout(Duration::from_secs(1))
            .reconnect_backoff(Duration::from_millis(5), Duration::from_millis(50))
            .retry_backoff(Duration::from_millis(5), Duration::from_millis(50)),
    )?;
    let config = ProducerConfig::default()
        .linger(Duration::from_millis(1))
        .batch_bytes_max(1_024)
        .request_timeout(Duration::from_secs(1));
    let producer = Producer::new(&client, config)?;
    order(&faults);
    let mut deliveries = Vec::new();
    for number in 0..RECORDS {
        let partition = i32::try_from(number % 2)?;
        let lane = u32::try_from(partition)?;
        let id = RecordId { lane, number };
        let value = id.to_string();
        let record = Record::to(&topic).value(&value).partition(partition);
        deliveries.push((id, producer.enqueue(record).await?));
    }
    let mut history = History::new();
    for (id, delivery) in deliveries {
        let metadata = delivery.await?;
        let place = metadata.offset().map(|offset| Place {
            partition: metadata.partition(),
            offset,
        });
        history.acknowledged(id, place);
    }
    assert!(
        faults.requests_seen(ApiKey::Produce) > 20,
        "too few requests to strike"
    );
    faults.clear();
    for record in target
        .read(&topic, PARTITIONS, history.acknowledged_count())
        .await?
    {
        let (id, place) = parse(&record)?;
        history.read(0, place, id);
    }
    history.assert_sound();
    producer.close().await?;
    client.close().await;
    Ok(())
}

/// Strikes the 2nd, 5th, 8th … of the first thirty produce requests.
fn every_third(faults: &Faults, fault: Fault) {
    for n in (2..30).step_by(3) {
        faults.nth(ApiKey::Produce, n, fault);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_after_the_write_doubles_nothing() -> Result<()> {
    on_target(async |target| {
        check(&target, "break-after", |faults| {
            every_third(faults, Fault::DisconnectAfter);
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_before_the_write_loses_nothing() -> Result<()> {
    on_target(async |target| {
        check(&target, "break-before", |faults| {
            every_third(faults, Fault::Disconnect);
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_comes_doubles_nothing() -> Result<()> {
    on_target(async |target| {
        check(&target, "no-answer", |faults| {
            faults.nth(ApiKey::Produce, 3, Fault::DropResponse);
            faults.nth(ApiKey::Produce, 9, Fault::DropResponse);
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_pass_are_retried_in_order() -> Result<()> {
    on_target(async |target| {
        for code in [
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::NotEnoughReplicas,
            ErrorCode::RequestTimedOut,
        ] {
            check(&target, "refused", |faults| {
                every_third(faults, Fault::Fail(code));
            })
            .await?;
        }
        Ok(())
    })
    .await
}
