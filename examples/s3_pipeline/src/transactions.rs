//! Two transactions: of one all records count, of the other none.

use std::time::Duration;

use anyhow::{Result, ensure};
use milena::OffsetReset;
use milena::client::consumer::{Consumer, ConsumerConfig, IsolationLevel};
use milena::client::producer::{ProducerConfig, Record};
use milena::client::transaction::TransactionalProducer;
use milena::client::{Client, TopicPartition};

pub(crate) async fn run(client: &Client, name: &str) -> Result<()> {
    let config = ProducerConfig::default().transactional_id(name);
    let mut producer = TransactionalProducer::connect(client, config).await?;

    let transaction = producer.begin().await?;
    transaction
        .send(Record::to(name).partition(0).value("aborted"))
        .await?;
    transaction.abort().await?;

    let transaction = producer.begin().await?;
    transaction
        .send(Record::to(name).partition(0).value("transactional message"))
        .await?;
    transaction.commit().await?;
    producer.close().await?;

    let config = ConsumerConfig::new()
        .auto_offset_reset(OffsetReset::Earliest)
        .isolation_level(IsolationLevel::ReadCommitted);
    let consumer = Consumer::new(client, config)?;
    consumer.assign(vec![TopicPartition::new(name, 0)]).await?;
    let record = consumer.consume_next(Duration::from_secs(10)).await?;
    let value = record.as_ref().and_then(|record| record.value());
    consumer.close().await?;
    ensure!(value == Some(b"transactional message"), "read {value:?}");
    println!("only the committed transaction counts");
    Ok(())
}
