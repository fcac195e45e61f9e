//! All of it in a row: a topic with 3 partitions, 100 messages through a group, its offsets
//! committed, the topic removed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use milena::OffsetReset;
use milena::client::admin::NewTopic;
use milena::client::consumer::{Consumer, ConsumerConfig};
use milena::client::producer::{Producer, ProducerConfig, Record};
use milena::client::{Admin, Client};

const MESSAGES: usize = 100;

pub(crate) async fn run(client: &Client, topic: &str, group: &str) -> Result<()> {
    let admin = Admin::new(client);
    admin
        .create_topic(NewTopic::new(topic).partitions(3))
        .await?;

    let producer = Producer::new(client, ProducerConfig::default())?;
    for number in 0..MESSAGES {
        let (key, value) = (format!("key-{number}"), format!("message-{number}"));
        drop(
            producer
                .enqueue(Record::to(topic).key(&key).value(&value))
                .await?,
        );
    }
    producer.flush(Duration::from_secs(30)).await?;

    let config = ConsumerConfig::new()
        .group_id(group)
        .auto_offset_reset(OffsetReset::Earliest);
    let consumer = Consumer::new(client, config)?;
    consumer.subscribe([topic]).await?;
    let mut consumed = 0;
    while consumed < MESSAGES {
        let next = consumer.consume_next(Duration::from_secs(10)).await?;
        next.context("a message within 10 s")?;
        consumed += 1;
    }
    consumer.commit().await?;

    let described = admin.describe_groups(&[group]).await?;
    let (_, description) = described.into_iter().next().context("an answer")?;
    let description = description?;
    println!(
        "{group}: {} with {} member(s)",
        description.state,
        description.members.len()
    );
    ensure!(description.members.len() == 1, "{description:?}");
    let lag = admin.group_lag(group).await?;
    let behind: i64 = lag.iter().filter_map(|partition| partition.lag()).sum();
    ensure!(behind == 0 && lag.len() == 3, "{lag:?}");

    consumer.close().await?;
    producer.close().await?;
    admin.delete_topics(&[topic]).await?;
    println!("{MESSAGES} messages produced, consumed and committed");
    Ok(())
}
