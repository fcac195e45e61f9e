//! An unclean election takes records away that were read: the consumer notices (KIP-320).

use super::nodes::Nodes;
use super::{TURN, client_config};
use anyhow::{Context, Result, bail};
use milena_client::admin::{ElectionType, NewTopic, PartitionDescription};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset, SeekTo};
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Admin, Client, Error, NodeId};
use milena_sim::target::{all_partitions, create_everywhere, eventually, take, unique};
use std::time::Duration;

/// On both replicas, and on the one that is lost.
const RECORDS: usize = 10;
/// Written by the leader that lacks the latter.
const RECORDS_AFTER: usize = 5;
const WAIT: Duration = Duration::from_secs(30);

struct Scene {
    nodes: Nodes,
    client: Client,
    topic: String,
}

impl Scene {
    async fn describe(&self) -> Result<PartitionDescription> {
        let admin = Admin::new(&self.client);
        let mut described = admin.describe_topics(&[&self.topic]).await?.remove(0).1?;
        Ok(described.partitions.remove(0))
    }

    async fn in_sync(&self, count: usize) -> Result<()> {
        eventually("the replicas are in sync", async || {
            let described = self.describe().await?;
            Ok((described.in_sync_replicas.len() == count).then_some(()))
        })
        .await
    }

    async fn produce(&self, value: &str, count: usize) -> Result<()> {
        let producer = Producer::new(&self.client, ProducerConfig::default())?;
        for _ in 0..count {
            producer.send(Record::to(&self.topic).value(value)).await?;
        }
        producer.close().await?;
        Ok(())
    }

    /// A consumer that has read all there is so far.
    async fn reader(&self, policy: OffsetReset) -> Result<Consumer> {
        let partition = all_partitions(&self.topic, 1).remove(0);
        let config = ConsumerConfig::new().auto_offset_reset(policy);
        let consumer = Consumer::new(&self.client, config)?;
        consumer.assign(vec![partition.clone()]).await?;
        if policy == OffsetReset::None {
            let start = consumer.consume_next(WAIT).await;
            assert!(matches!(start, Err(Error::NoOffset { .. })), "{start:?}");
        }
        consumer.seek(&partition, SeekTo::Beginning).await?;
        take(&consumer, 2 * RECORDS).await?;
        Ok(consumer)
    }

    /// Has `node`, which is up but not in sync, lead the partition.
    async fn elect(&self, node: NodeId) -> Result<()> {
        let admin = Admin::new(&self.client);
        let asked = all_partitions(&self.topic, 1);
        eventually("the replica that lacks records leads", async || {
            // Before the node is known to be up nobody is eligible.
            let _too_early = admin
                .elect_leaders(ElectionType::Unclean, Some(&asked))
                .await;
            let leader = self.describe().await.ok().and_then(|one| one.leader);
            Ok((leader == Some(node)).then_some(()))
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_an_unclean_election_takes_away_are_noticed() -> Result<()> {
    let Some(nodes) = Nodes::from_environment()? else {
        return Ok(());
    };
    let _turn = TURN.lock().await;
    let client = Client::new(client_config(nodes.bootstrap()))?;
    let topic = unique("unclean");
    let new = NewTopic::new(&topic)
        .partitions(1)
        .replication_factor(2)
        .config("unclean.leader.election.enable", "true")
        .config("min.insync.replicas", "1");
    create_everywhere(&Admin::new(&client), new).await?;
    let scene = Scene {
        nodes,
        client,
        topic,
    };
    scene.in_sync(2).await?;
    scene.produce("on both", RECORDS).await?;
    let described = scene.describe().await?;
    let leader = described.leader.context("a leader")?;
    let follower = described.replicas.iter().find(|node| **node != leader);
    let follower = *follower.context("a follower")?;
    let change = async |change, node: NodeId| {
        let node = u16::try_from(node.0)?;
        scene.nodes.change(change, node).await
    };
    change("kill", follower).await?;
    scene.in_sync(1).await?;
    scene.produce("on the leader", RECORDS).await?;
    let lenient = scene.reader(OffsetReset::Earliest).await?;
    let strict = scene.reader(OffsetReset::None).await?;
    change("kill", leader).await?;
    change("start", follower).await?;
    scene.elect(follower).await?;
    scene.produce("after", RECORDS_AFTER).await?;
    for record in take(&lenient, RECORDS_AFTER).await? {
        assert_eq!(record.value(), Some(b"after".as_slice()));
        assert!(record.offset() >= i64::try_from(RECORDS)?);
    }
    let error = loop {
        match strict.consume_next(WAIT).await {
            Ok(record) => bail!("{record:?} and no error"),
            Err(error) if error.is_retriable() => {}
            Err(error) => break error,
        }
    };
    let Error::LogTruncated {
        position,
        diverging_offset,
        ..
    } = error
    else {
        bail!("{error}");
    };
    assert_eq!(position, i64::try_from(2 * RECORDS)?);
    assert_eq!(diverging_offset, Some(i64::try_from(RECORDS)?));
    change("start", leader).await?;
    scene.in_sync(2).await?;
    lenient.close().await?;
    strict.close().await?;
    scene.client.close().await;
    Ok(())
}
