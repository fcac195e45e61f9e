//! Groups and topics that are deleted under their members: who loses something is told, and everybody
//! goes on with what is left.

use crate::groups_consumer::on_supporting;
use crate::groups_membership::{config, until_created};
use anyhow::{Result, bail, ensure};
use futures_util::future::BoxFuture;
use milena_client::admin::{ChangeMode, NewPartitions, NewTopic};
use milena_client::consumer::{Consumer, ConsumerConfig};
use milena_client::group::{GroupProtocol, RebalanceListener};
use milena_client::partitioner::Partitioning;
use milena_client::producer::{Producer, ProducerConfig, Record};
use milena_client::{Client, ClientConfig, Error, ErrorCode, TopicPartition};
use milena_sim::raw;
use milena_sim::target::{Target, eventually, on_target, take, unique};
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::{ConsumerGroupHeartbeatRequest, GroupId};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const RECORDS: usize = 10;
const POLL_WAIT: Duration = Duration::from_millis(50);
const WAIT: Duration = Duration::from_secs(40);
/// What a member of the new protocol says when it leaves.
const LEAVE_EPOCH: i32 = -1;

async fn fill(target: &Target, topic: &str) -> Result<()> {
    let producer = target.producer(ProducerConfig::default())?;
    for number in 0..RECORDS {
        let value = number.to_string();
        producer.send(Record::to(topic).value(&value)).await?;
    }
    producer.close().await?;
    Ok(())
}

/// Counts the partitions that the application is told to be lost.
struct CountLost(Arc<AtomicUsize>);

impl RebalanceListener for CountLost {
    fn lost<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        self.0.fetch_add(partitions.len(), Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

/// A client that soon notices what became of a topic.
fn attentive(target: &Target) -> Result<Client> {
    let config = ClientConfig::new(target.bootstrap()).metadata_max_age(Duration::from_millis(300));
    Ok(Client::new(config)?)
}

async fn member(
    target: &Target,
    config: ConsumerConfig,
    topics: &[&str],
) -> Result<(Client, Consumer)> {
    let client = attentive(target)?;
    let consumer = Consumer::new(&client, config)?;
    consumer.subscribe(topics.iter().copied()).await?;
    Ok((client, consumer))
}

/// As [`take`], from a member that may be told of trouble meanwhile.
async fn take_through_trouble(consumer: &Consumer, count: usize) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    let mut taken = 0;
    while taken < count {
        ensure!(Instant::now() < deadline, "{taken} of {count} came");
        match consumer.consume_next(POLL_WAIT).await {
            Ok(record) => taken += usize::from(record.is_some()),
            // The topic that was deleted, or partitions that were lost.
            Err(error) => eprintln!("consume: {error}"),
        }
    }
    Ok(())
}

async fn committed(target: &Target, group: &str, topic: &str) -> Result<i64> {
    let offsets = target.admin().committed_offsets(group).await?;
    let of_topic = offsets.iter().filter(|one| *one.partition.topic == *topic);
    Ok(of_topic.map(|one| one.offset).sum())
}

/// Has all members leave without their knowledge; how many.
async fn remove_members(target: &Target, group: &str, protocol: GroupProtocol) -> Result<usize> {
    let admin = target.admin();
    if protocol == GroupProtocol::Classic {
        let removed = admin.remove_all_members(group, "test").await?;
        for (member, result) in &removed {
            ensure!(result.is_ok(), "{member:?} stays: {result:?}");
        }
        return Ok(removed.len());
    }
    // Brokers remove no dynamic member of the new protocol for an administrator: it has to leave.
    let described = admin.describe_groups(&[group]).await?.remove(0).1?;
    let count = described.members.len();
    for member in described.members {
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
            .with_member_id(StrBytes::from_string(member.member_id))
            .with_member_epoch(LEAVE_EPOCH);
        let answer = raw::call(&admin, described.coordinator, 0, &request).await?;
        ensure!(answer.error_code == 0, "{answer:?}");
    }
    Ok(count)
}

/// Its members are told, make the group anew, and begin where nothing is committed.
async fn check_group(target: &Target, protocol: GroupProtocol) -> Result<()> {
    let topic = target.topic("group-deleted", 2).await?;
    fill(target, &topic).await?;
    let group = unique("group-deleted");
    // A slow heart of a classic member: it learns of the deletion, not of the removal.
    let lost = Arc::new(AtomicUsize::new(0));
    let config = config(&group, protocol)
        .heartbeat_interval(Duration::from_secs(1))
        .rebalance_listener(CountLost(Arc::clone(&lost)));
    let (client, consumer) = member(target, config, &[&topic]).await?;
    take(&consumer, RECORDS).await?;
    consumer.commit().await?;
    assert_eq!(committed(target, &group, &topic).await?, 10);

    let mut removed = 0;
    eventually("the group is deleted", async || {
        removed += remove_members(target, &group, protocol).await?;
        // A member of the new protocol may be back before that.
        match target.admin().delete_groups(&[&group]).await.remove(0).1 {
            Ok(()) => Ok(Some(())),
            Err(error) if error.code() == Some(ErrorCode::NonEmptyGroup) => Ok(None),
            Err(error) => bail!(error),
        }
    })
    .await?;
    take_through_trouble(&consumer, RECORDS).await?;
    // Both at once, and again if it was back with them before the group was deleted.
    let lost = lost.load(Ordering::Relaxed);
    assert!(
        lost.is_multiple_of(2) && (1..=removed).contains(&(lost / 2)),
        "{lost} partitions told to be lost, removed {removed} times"
    );
    consumer.commit().await?;
    assert_eq!(committed(target, &group, &topic).await?, 10);
    let described = target.admin().describe_groups(&[&group]).await?;
    assert_eq!(
        described[0].1.as_ref().map_or(0, |one| one.members.len()),
        1
    );
    consumer.close().await?;
    client.close().await;
    Ok(())
}

/// A member of two topics, one of which is deleted with records that were read and not committed: the
/// other one is read and committed as before, and shared when another member comes.
async fn check_topic(target: &Target, protocol: GroupProtocol) -> Result<()> {
    let stays = target.topic("topic-stays", 2).await?;
    let goes = target.topic("topic-goes", 2).await?;
    fill(target, &stays).await?;
    fill(target, &goes).await?;
    let group = unique("topic-deleted");
    let config = || config(&group, protocol).enable_auto_commit(false);
    let (client, consumer) = member(target, config(), &[&stays, &goes]).await?;
    take(&consumer, 2 * RECORDS).await?;
    target.admin().delete_topics(&[goes.as_str()]).await?;

    commit(&consumer).await?;
    assert_eq!(committed(target, &group, &stays).await?, 10);
    fill(target, &stays).await?;
    take_through_trouble(&consumer, RECORDS).await?;
    commit(&consumer).await?;
    assert_eq!(committed(target, &group, &stays).await?, 20);

    let (other_client, other) = member(target, config(), &[&stays, &goes]).await?;
    // A classic leader takes the topic for one that is only missing for a while, and shares it as well.
    eventually(
        "both have something, and together all that is left",
        async || {
            for consumer in [&consumer, &other] {
                if let Err(error) = consumer.poll(POLL_WAIT).await {
                    eprintln!("poll: {error}");
                }
            }
            let assigned = [&consumer, &other].map(Consumer::assignment);
            let is_shared = assigned.iter().all(|partitions| !partitions.is_empty());
            let left = assigned.iter().flatten().filter(|one| *one.topic == *stays);
            Ok((is_shared && left.count() == 2).then_some(()))
        },
    )
    .await?;
    for (client, consumer) in [(client, consumer), (other_client, other)] {
        consumer.close().await?;
        client.close().await;
    }
    Ok(())
}

/// Commits; that a topic is gone, or given up meanwhile, does not keep the rest from being committed.
async fn commit(consumer: &Consumer) -> Result<()> {
    match consumer.commit().await {
        Err(Error::PartitionsLost { .. }) => Ok(()),
        Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => Ok(()),
        outcome => Ok(outcome?),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_deleted_under_its_members_is_made_anew() -> Result<()> {
    on_target(async |target| check_group(&target, GroupProtocol::Classic).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_the_consumer_protocol_deleted_under_its_members_is_made_anew() -> Result<()> {
    on_supporting(async |target| check_group(&target, GroupProtocol::Consumer).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_deleted_under_its_members_leaves_them_the_others() -> Result<()> {
    on_target(async |target| check_topic(&target, GroupProtocol::Classic).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_deleted_under_members_of_the_consumer_protocol_leaves_them_the_others()
-> Result<()> {
    on_supporting(async |target| check_topic(&target, GroupProtocol::Consumer).await).await
}

/// A producer whose topic is deleted, made anew with fewer records than it has counted, and then grown,
/// goes on, and finds the partitions that are new.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_goes_on_in_a_topic_that_is_made_anew_and_grows() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("made-anew", 1).await?;
        let client = attentive(&target)?;
        let config = ProducerConfig::default().partitioning(Partitioning::RoundRobin);
        let producer = Producer::new(&client, config)?;
        let send = async |value: &str| producer.send(Record::to(&topic).value(value)).await;
        for offset in 0..3 {
            assert_eq!(send("old").await?.offset(), Some(offset));
        }
        target.admin().delete_topics(&[topic.as_str()]).await?;
        until_created(&target, NewTopic::new(&topic).partitions(1)).await?;
        // One may go down with the topic; what is acknowledged is in the new one from here on.
        eventually("the new topic is written to", async || {
            Ok(send("new").await?.offset().filter(|offset| *offset < 3))
        })
        .await?;
        let grown = [NewPartitions::total(&topic, 3)];
        let results = target
            .admin()
            .create_partitions(&grown, ChangeMode::Apply)
            .await;
        ensure!(results[0].1.is_ok(), "{results:?}");
        eventually("every partition is written to", async || {
            Ok((send("grown").await?.partition() == 2).then_some(()))
        })
        .await?;
        producer.close().await?;
        client.close().await;
        Ok(())
    })
    .await
}
