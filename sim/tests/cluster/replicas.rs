//! The replica that a consumer reads goes away: it goes on with the leader (KIP-392).

use super::nodes::Nodes;
use super::{TURN, client_config};
use anyhow::{Context, Result};
use milena_client::admin::NewTopic;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Admin, Client};
use milena_sim::target::{all_partitions, create_everywhere, eventually, take, unique};

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_goes_on_when_the_replica_it_reads_is_killed() -> Result<()> {
    let Some(nodes) = Nodes::from_environment()? else {
        return Ok(());
    };
    let _turn = TURN.lock().await;
    let client = Client::new(client_config(nodes.bootstrap()))?;
    let admin = Admin::new(&client);
    let topic = unique("nearby");
    let new = NewTopic::new(&topic).partitions(1).replication_factor(3);
    create_everywhere(&admin, new).await?;
    let producer = Producer::new(&client, ProducerConfig::default())?;
    producer.send(Record::to(&topic).value("before")).await?;
    let described = admin.describe_topics(&[&topic]).await?.remove(0).1?;
    let leader = described.partitions[0].leader;
    let brokers = admin.describe_cluster().await?.brokers;
    let follower = brokers.iter().find(|broker| Some(broker.node) != leader);
    let follower = follower.context("a follower")?;
    let rack = follower.rack.as_deref().context("a rack")?;
    let config = ConsumerConfig::new()
        .auto_offset_reset(OffsetReset::Earliest)
        .client_rack(rack);
    let consumer = Consumer::new(&client, config)?;
    let partition = all_partitions(&topic, 1).remove(0);
    consumer.assign(vec![partition.clone()]).await?;
    take(&consumer, 1).await?;
    let reads = |node| consumer.read_replica(&partition) == Some(node);
    let node = follower.node;
    eventually("the follower is read", async || {
        Ok(reads(node).then_some(()))
    })
    .await?;
    let killed = u16::try_from(node.0)?;
    nodes.change("kill", killed).await?;
    producer.send(Record::to(&topic).value("without")).await?;
    let record = take(&consumer, 1).await?.remove(0);
    assert_eq!(record.value(), Some(b"without".as_slice()));
    assert!(!reads(node));
    nodes.change("start", killed).await?;
    eventually("the follower is read again", async || {
        Ok(reads(node).then_some(()))
    })
    .await?;
    producer.send(Record::to(&topic).value("again")).await?;
    let record = take(&consumer, 1).await?.remove(0);
    assert_eq!(record.value(), Some(b"again".as_slice()));
    consumer.close().await?;
    producer.close().await?;
    client.close().await;
    Ok(())
}
