//! Reading from the replica nearby (KIP-392).

use anyhow::{Context, Result};
use milena_client::admin::NewTopic;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::group::GroupProtocol;
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_sim::target::{all_partitions, eventually, on_target_with, take, unique};

const RECORDS: usize = 100;

async fn produce(producer: &Producer, topic: &str) -> Result<()> {
    let mut deliveries = Vec::new();
    for number in 0..RECORDS {
        let value = number.to_string();
        deliveries.push(producer.enqueue(Record::to(topic).value(&value)).await?);
    }
    for delivery in deliveries {
        delivery.await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_from_the_replica_in_the_consumers_rack() -> Result<()> {
    on_target_with(&[("broker.rack", "rack-1")], async |target| {
        let admin = target.admin();
        let brokers = admin.describe_cluster().await?.brokers;
        let topic = unique("nearby");
        let replicas = i16::try_from(brokers.len())?;
        let new = NewTopic::new(&topic)
            .partitions(1)
            .replication_factor(replicas);
        target.create(new).await?;
        let producer = target.producer(ProducerConfig::default())?;
        produce(&producer, &topic).await?;
        let partition = all_partitions(&topic, 1).remove(0);
        for (before, broker) in (1..).zip(brokers) {
            let rack = broker.rack.context("the node says where it is")?;
            let config = ConsumerConfig::new()
                .auto_offset_reset(OffsetReset::Earliest)
                .client_rack(&*rack);
            let consumer = Consumer::new(target.client(), config)?;
            consumer.assign(vec![partition.clone()]).await?;
            assert_eq!(
                take(&consumer, before * RECORDS).await?.len(),
                before * RECORDS
            );
            eventually("the replica in the rack is read", async || {
                let is_it = consumer.read_replica(&partition) == Some(broker.node);
                Ok(is_it.then_some(()))
            })
            .await?;
            produce(&producer, &topic).await?;
            take(&consumer, RECORDS).await?;
            assert_eq!(consumer.read_replica(&partition), Some(broker.node));
            consumer.close().await?;
        }
        producer.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_say_where_they_are_join_groups_of_both_protocols() -> Result<()> {
    on_target_with(&[("broker.rack", "rack-1")], async |target| {
        let topic = target.topic("racks", 2).await?;
        let producer = target.producer(ProducerConfig::default())?;
        produce(&producer, &topic).await?;
        producer.close().await?;
        for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
            let config = ConsumerConfig::group(unique("racks"))
                .auto_offset_reset(OffsetReset::Earliest)
                .group_protocol(protocol)
                .client_rack("rack-1");
            let consumer = Consumer::new(target.client(), config)?;
            consumer.subscribe([&*topic]).await?;
            take(&consumer, RECORDS).await?;
            consumer.close().await?;
        }
        Ok(())
    })
    .await
}
