//! Quotas: a client that uses more than its share is slowed down to it, and waits by itself instead of
//! having its requests wait.

use crate::collector::Collector;
use anyhow::Result;
use milena_client::admin::{ChangeMode, QuotaChange, QuotaEntity, QuotaEntityType};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Client, ClientConfig};
use milena_sim::target::{Target, all_partitions, eventually, on_target_with, take, unique};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// As `cargo xtask` configures it on Apache Kafka, too: what a quota gives for two seconds may be used
/// at once.
const WINDOWS: [(&str, &str); 1] = [("quota.window.num", "3")];
/// A record a second.
const RATE: f64 = 24_000.0;
const VALUE_BYTES: usize = 24_000;
/// Two records are the share, and the one that exceeds it is answered at once as well.
const AT_ONCE: usize = 3;
const RECORDS: usize = 6;
const SLOWED_MIN: Duration = Duration::from_secs(2);

/// A client with a name of its own, and a quota for that name.
async fn limited(target: &Target, key: &str, value: f64) -> Result<(String, Client)> {
    let client_id = unique("limited");
    let admin = target.admin();
    let kind = QuotaEntityType::ClientId;
    let entity: QuotaEntity = BTreeMap::from([(kind, Some(client_id.clone()))]);
    let change = QuotaChange {
        entity: entity.clone(),
        values: BTreeMap::from([(key.to_owned(), Some(value))]),
    };
    let mut changed = admin
        .alter_client_quotas(&[change], ChangeMode::Apply)
        .await;
    changed.remove(0).1?;
    let parts = [(
        kind,
        milena_client::admin::QuotaMatch::Exact(client_id.clone()),
    )];
    eventually("the quota is told", async || {
        let told = admin.describe_client_quotas(&parts, true).await?;
        Ok((!told.is_empty()).then_some(()))
    })
    .await?;
    let config = ClientConfig::new(target.bootstrap()).client_id(&*client_id);
    Ok((client_id, Client::new(config)?))
}

fn noise(seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..VALUE_BYTES).map(|_| random.u8(..)).collect()
}

async fn send_all(producer: &Producer, topic: &str, count: usize) -> Result<()> {
    for number in 0..count {
        let value = noise(number as u64);
        producer.send(Record::to(topic).value(&value)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_producer_is_slowed_down_to_its_rate_and_its_requests_do_not_wait() -> Result<()> {
    let (collector, _collecting) = Collector::install();
    on_target_with(&WINDOWS, async |target| {
        let topic = target.topic("limited", 1).await?;
        let (client_id, client) = limited(&target, "producer_byte_rate", RATE).await?;
        let producer = Producer::new(&client, ProducerConfig::default())?;
        let started = Instant::now();
        send_all(&producer, &topic, RECORDS).await?;
        let took = started.elapsed();
        assert!(took >= SLOWED_MIN, "{took:?}");
        producer.close().await?;
        client.close().await;
        let sent = collector.ended("send").into_iter();
        let own = sent.filter(|span| span.attributes["messaging.client.id"] == client_id);
        let times: Vec<Duration> = own.map(|span| span.took).collect();
        assert!(times.len() >= RECORDS, "{times:?}");
        // Those that no quota holds back may be slow for other reasons.
        let (at_once, slowed) = times.split_at(AT_ONCE);
        let took = took - at_once.iter().sum::<Duration>();
        let waited: Duration = slowed.iter().sum();
        assert!(waited < took / 2, "{waited:?} of {took:?}: {times:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_is_slowed_down_to_its_rate_and_gets_everything() -> Result<()> {
    on_target_with(&WINDOWS, async |target| {
        let topic = target.topic("limited", 1).await?;
        let producer = target.producer(ProducerConfig::default())?;
        send_all(&producer, &topic, RECORDS).await?;
        producer.close().await?;
        let (_, client) = limited(&target, "consumer_byte_rate", RATE).await?;
        let config = ConsumerConfig::new()
            .auto_offset_reset(OffsetReset::Earliest)
            .partition_fetch_bytes_max(VALUE_BYTES);
        let reader = Consumer::new(&client, config)?;
        let started = Instant::now();
        reader.assign(all_partitions(&topic, 1)).await?;
        for (number, record) in take(&reader, RECORDS).await?.into_iter().enumerate() {
            assert!(record.value() == Some(&noise(number as u64)[..]));
        }
        let took = started.elapsed();
        assert!(took >= SLOWED_MIN, "{took:?}");
        reader.close().await?;
        client.close().await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_keeps_the_broker_busy_is_slowed_down() -> Result<()> {
    on_target_with(&WINDOWS, async |target| {
        let (_, client) = limited(&target, "request_percentage", 0.01).await?;
        let admin = milena_client::Admin::new(&client);
        eventually("a request is held back", async || {
            let started = Instant::now();
            admin.list_topics().await?;
            let took = started.elapsed();
            Ok((took >= Duration::from_millis(100)).then_some(()))
        })
        .await?;
        client.close().await;
        Ok(())
    })
    .await
}
