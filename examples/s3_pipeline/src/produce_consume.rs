//! One record out, one record in, committed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use milena::OffsetReset;
use milena::client::Client;
use milena::client::consumer::{Consumer, ConsumerConfig};
use milena::client::producer::{Acks, Producer, ProducerConfig, Record};

pub(crate) async fn run(client: &Client, topic: &str, group: &str) -> Result<()> {
    let config = ProducerConfig::default()
        .acks(Acks::All)
        .enable_idempotence(true);
    let producer = Producer::new(client, config)?;
    let record = Record::to(topic).value("Hello Kafka").key("my-key");
    // `enqueue` returns as soon as there is room; the delivery resolves with the answer.
    let delivery = producer.enqueue(record).await?;
    let written = tokio::time::timeout(Duration::from_secs(30), delivery).await??;
    let offset = written.offset().context("acks=all tells offsets")?;
    println!(
        "written to partition {} at offset {offset}",
        written.partition()
    );
    producer.close().await?;

    let config = ConsumerConfig::new()
        .group_id(group)
        .auto_offset_reset(OffsetReset::Earliest);
    let consumer = Consumer::new(client, config)?;
    consumer.subscribe([topic]).await?;
    let mut values = Vec::new();
    while values.is_empty() {
        let polled = consumer.poll(Duration::from_secs(10)).await?;
        ensure!(!polled.is_empty(), "nothing came within 10 s");
        for batch in &polled.batches {
            for record in batch.records() {
                let record = record?;
                let value = record.value.unwrap_or_default();
                println!("from {}: {value:?}", batch.partition());
                values.push(String::from_utf8_lossy(value).into_owned());
            }
        }
    }
    println!("consumed {values:?}");
    consumer.commit().await?;
    consumer.close().await?;
    ensure!(values == ["Hello Kafka"], "consumed {values:?}");
    Ok(())
}
