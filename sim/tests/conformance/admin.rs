//! Administration: topics come, are described and go; groups tell their members and lag.

use anyhow::{Context, Result};
use milena_client::admin::{CreateMode, NewTopic, OffsetAt};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::{Error, ErrorCode};
use milena_sim::target::{Target, all_partitions, eventually, on_target, take, unique};

async fn is_listed(target: &Target, topic: &str) -> Result<bool> {
    let topics = target.admin().list_topics().await?;
    Ok(topics.iter().any(|listing| listing.name == topic))
}

#[track_caller]
fn assert_code<T: std::fmt::Debug>(result: Result<T, Error>, expected: ErrorCode) {
    let error = result.expect_err("it must be refused");
    assert_eq!(error.code(), Some(expected), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_described_and_deleted() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        let name = unique("admin");
        let topic = NewTopic::new(&name)
            .partitions(3)
            .config("cleanup.policy", "compact");
        let checked = admin
            .create_topics(std::slice::from_ref(&topic), CreateMode::ValidateOnly)
            .await?;
        assert!(checked[0].1.is_ok(), "{checked:?}");
        assert!(!is_listed(&target, &name).await?);

        let created = target.create(topic.clone()).await?;
        assert!(!created.id.is_nil());
        assert!(is_listed(&target, &name).await?);
        let described = admin.describe_topics(&[&name]).await?;
        let described = described[0].1.as_ref().map_err(ToString::to_string);
        let described = described.map_err(anyhow::Error::msg)?;
        assert_eq!((described.id, described.partitions.len()), (created.id, 3));
        assert!(described.partitions.iter().all(|p| p.leader.is_some()));
        assert_code(
            admin.create_topic(topic).await,
            ErrorCode::TopicAlreadyExists,
        );

        let deleted = admin.delete_topics(&[&name]).await?;
        assert!(deleted[0].1.is_ok(), "{deleted:?}");
        eventually("the topic is not listed any more", async || {
            Ok((!is_listed(&target, &name).await?).then_some(()))
        })
        .await?;
        let (_, again) = admin.delete_topics(&[&name]).await?.remove(0);
        assert_code(again, ErrorCode::UnknownTopicOrPartition);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_created_says_why() -> Result<()> {
    on_target(async |target| {
        let admin = target.admin();
        for (topic, code) in [
            (
                NewTopic::new("no spaces allowed"),
                ErrorCode::InvalidTopicException,
            ),
            (
                NewTopic::new(unique("none")).partitions(0),
                ErrorCode::InvalidPartitions,
            ),
            (
                NewTopic::new(unique("replicas"))
                    .partitions(1)
                    .replication_factor(99),
                ErrorCode::InvalidReplicationFactor,
            ),
        ] {
            assert_code(admin.create_topic(topic).await, code);
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_tells_its_members_and_its_lag() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("lag", 1).await?;
        let partition = all_partitions(&topic, 1).remove(0);
        let group_id = unique("lag");
        let producer = target.producer(ProducerConfig::default())?;
        for _ in 0..10 {
            producer.send(Record::to(&topic).value("x")).await?;
        }
        let config =
            ConsumerConfig::group(group_id.as_str()).auto_offset_reset(OffsetReset::Earliest);
        let consumer = Consumer::new(target.client(), config)?;
        consumer.subscribe([topic.as_str()]).await?;
        take(&consumer, 4).await?;
        consumer.commit_offsets(&[(partition.clone(), 4)]).await?;

        let admin = target.admin();
        let described = admin.describe_groups(&[&group_id]).await?.remove(0).1?;
        assert_eq!(described.state, "Stable");
        assert_eq!(described.members.len(), 1);
        assert_eq!(
            described.members[0].assignment,
            std::slice::from_ref(&partition)
        );
        let lag = admin.group_lag(&group_id).await?;
        assert_eq!(lag.len(), 1);
        assert_eq!(
            (lag[0].committed, lag[0].end, lag[0].lag()),
            (Some(4), Some(10), Some(6))
        );
        let groups = admin.list_groups().await?;
        let listed = groups.iter().find(|group| group.group_id == group_id);
        assert_eq!(
            listed.context("the group is not listed")?.protocol_type,
            "consumer"
        );

        consumer.close().await?;
        let described = admin.describe_groups(&[&group_id]).await?.remove(0).1?;
        assert_eq!(
            (described.state.as_str(), described.members.len()),
            ("Empty", 0)
        );
        let (_, unknown) = admin.describe_groups(&[&unique("nobody")]).await?.remove(0);
        assert_code(unknown, ErrorCode::GroupIdNotFound);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_listed_by_place_and_time() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("offsets", 1).await?;
        let producer = target.producer(ProducerConfig::default())?;
        for number in 0..5 {
            let record = Record::to(&topic).value("x").timestamp(1_000 + number);
            producer.send(record).await?;
        }
        let partitions = all_partitions(&topic, 1);
        for (at, expected) in [
            (OffsetAt::Earliest, Some(0)),
            (OffsetAt::Latest, Some(5)),
            (OffsetAt::Timestamp(1_003), Some(3)),
            (OffsetAt::Timestamp(9_999), None),
        ] {
            let (_, offset) = target
                .admin()
                .list_offsets(&partitions, at)
                .await?
                .remove(0);
            assert_eq!(offset?, expected, "{at:?}");
        }
        Ok(())
    })
    .await
}
