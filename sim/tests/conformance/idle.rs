//! What stands still for long: connections that are closed for it come back when they are needed,
//! members stay members, and a producer that was forgotten goes on.

use anyhow::Result;
use milena_broker::Broker;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Admin, Client, ClientConfig};
use milena_sim::target::{on_target, take, unique};
use std::time::Duration;

/// Connections close after this.
const IDLE: Duration = Duration::from_millis(100);
/// Long enough for everything to be idle.
const PAUSE: Duration = Duration::from_millis(600);

#[tokio::test(flavor = "multi_thread")]
async fn connections_closed_for_idleness_come_back() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("idle", 1).await?;
        let config = ClientConfig::new(target.bootstrap()).connections_idle_max(IDLE);
        let client = Client::new(config)?;
        let producer = Producer::new(&client, ProducerConfig::default())?;
        let config = ConsumerConfig::group(unique("idle"))
            .auto_offset_reset(OffsetReset::Earliest)
            .fetch_wait_max(Duration::from_millis(50));
        let member = Consumer::new(&client, config)?;
        member.subscribe([topic.as_str()]).await?;
        let admin = Admin::new(&client);
        for round in 0..3 {
            producer.send(Record::to(&topic).value("value")).await?;
            assert_eq!(take(&member, 1).await?[0].offset(), round);
            member.commit().await?;
            admin.list_topics().await?;
            tokio::time::sleep(PAUSE).await;
        }
        producer.close().await?;
        member.close().await?;
        client.close().await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_records_outlives_its_session_timeout() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("quiet", 2).await?;
        let config = ConsumerConfig::group(unique("quiet"))
            .auto_offset_reset(OffsetReset::Earliest)
            .session_timeout(Duration::from_secs(3))
            .heartbeat_interval(Duration::from_millis(300));
        let member = Consumer::new(target.client(), config)?;
        member.subscribe([topic.as_str()]).await?;
        let producer = target.producer(ProducerConfig::default())?;
        producer.send(Record::to(&topic).value("first")).await?;
        take(&member, 1).await?;
        // Longer than the session, in one poll that brings nothing.
        let polled = member.poll(Duration::from_secs(5)).await?;
        assert!(polled.is_empty());
        assert_eq!(member.assignment().len(), 2);
        member.commit().await?;
        producer.send(Record::to(&topic).value("last")).await?;
        take(&member, 1).await?;
        producer.close().await?;
        member.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_the_broker_forgot_goes_on() -> Result<()> {
    // Only a broker of our own forgets producers within a test.
    let broker = Broker::builder()
        .property("producer.id.expiration.ms", "50")?
        .start()
        .await?;
    let client = Client::new(ClientConfig::new(&broker.bootstrap()))?;
    let producer = Producer::new(&client, ProducerConfig::default())?;
    for offset in 0..3 {
        let metadata = producer
            .send(Record::to("forgotten").value("value"))
            .await?;
        assert_eq!(metadata.offset(), Some(offset));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    producer.close().await?;
    client.close().await;
    broker.stop().await;
    Ok(())
}
