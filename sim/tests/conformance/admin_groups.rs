//! Groups: found by state, their offsets reset and taken back, their members removed, themselves
//! deleted.

use anyhow::{Context, Result};
use milena_client::admin::{GroupFilter, MemberName, NewOffset, ResetTo};
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::{Error, ErrorCode, TopicPartition};
use milena_sim::target::{Target, all_partitions, eventually, on_target, take, unique};

#[track_caller]
fn assert_code<T: std::fmt::Debug>(result: Result<T, Error>, expected: ErrorCode) {
    let error = result.expect_err("it must be refused");
    assert_eq!(error.code(), Some(expected), "{error}");
}

/// A topic with ten records a second apart, and its only partition.
async fn filled_topic(target: &Target) -> Result<(String, TopicPartition)> {
    let topic = target.topic("group-admin", 1).await?;
    let producer = target.producer(ProducerConfig::default())?;
    for number in 0..10 {
        let record = Record::to(&topic)
            .value("x")
            .timestamp(1_000_000 + number * 1_000);
        producer.send(record).await?;
    }
    let partition = all_partitions(&topic, 1).remove(0);
    Ok((topic, partition))
}

async fn committed(target: &Target, group: &str) -> Result<Option<i64>> {
    let offsets = target.admin().committed_offsets(group).await?;
    Ok(offsets.first().map(|committed| committed.offset))
}

async fn member(target: &Target, group: &str, topic: &str) -> Result<Consumer> {
    let config = ConsumerConfig::group(group).auto_offset_reset(OffsetReset::Earliest);
    let consumer = Consumer::new(target.client(), config)?;
    consumer.subscribe([topic]).await?;
    take(&consumer, 1).await?;
    Ok(consumer)
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_reset_and_taken_back() -> Result<()> {
    on_target(async |target| {
        let (_, partition) = filled_topic(&target).await?;
        let group = unique("reset");
        let admin = target.admin();
        let offsets = [NewOffset::new(partition.clone(), 5)];
        admin.alter_offsets(&group, &offsets).await?.remove(0).1?;
        assert_eq!(committed(&target, &group).await?, Some(5));
        let partitions = [partition.clone()];
        let planned = admin
            .plan_reset(&group, &partitions, ResetTo::Latest)
            .await?;
        let planned = planned[0].1.as_ref().ok().context("no plan")?;
        assert_eq!((planned.from, planned.to), (Some(5), 10));
        assert_eq!(committed(&target, &group).await?, Some(5));
        for (to, expected) in [
            (ResetTo::Shift(2), 7),
            (ResetTo::Shift(-100), 0),
            (ResetTo::Offset(4), 4),
            (ResetTo::Timestamp(1_003_000), 3),
            (ResetTo::Timestamp(9_999_999), 10),
            (ResetTo::Earliest, 0),
            (ResetTo::Offset(99), 10),
        ] {
            let mut results = admin.reset_offsets(&group, &partitions, to).await?;
            assert_eq!(results.remove(0).1?.to, expected, "{to:?}");
            assert_eq!(committed(&target, &group).await?, Some(expected), "{to:?}");
        }
        admin
            .delete_offsets(&group, &partitions)
            .await?
            .remove(0)
            .1?;
        assert_eq!(committed(&target, &group).await?, None);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_in_use_keeps_its_offsets_and_itself() -> Result<()> {
    on_target(async |target| {
        let (topic, partition) = filled_topic(&target).await?;
        let group = unique("in-use");
        let consumer = member(&target, &group, &topic).await?;
        consumer.commit_offsets(&[(partition.clone(), 3)]).await?;
        let admin = target.admin();
        let partitions = [partition.clone()];
        let reset = admin
            .reset_offsets(&group, &partitions, ResetTo::Earliest)
            .await;
        assert_code(reset, ErrorCode::NonEmptyGroup);
        let offsets = [NewOffset::new(partition.clone(), 1)];
        let altered = admin.alter_offsets(&group, &offsets).await;
        assert_code(altered, ErrorCode::UnknownMemberId);
        let deleted = admin.delete_offsets(&group, &partitions).await?.remove(0).1;
        assert_code(deleted, ErrorCode::GroupSubscribedToTopic);
        let deleted = admin.delete_groups(&[&group]).await.remove(0).1;
        assert_code(deleted, ErrorCode::NonEmptyGroup);
        assert_eq!(committed(&target, &group).await?, Some(3));

        let listed = async |filter: GroupFilter| -> Result<bool> {
            let groups = admin.list_groups_matching(&filter).await?;
            Ok(groups.iter().any(|listing| listing.group_id == group))
        };
        assert!(listed(GroupFilter::default().state("Stable")).await?);
        assert!(!listed(GroupFilter::default().state("Empty")).await?);
        assert!(listed(GroupFilter::default().group_type("classic")).await?);
        assert!(!listed(GroupFilter::default().group_type("consumer")).await?);
        consumer.close().await?;
        assert!(listed(GroupFilter::default().state("Empty").state("Dead")).await?);

        admin.delete_groups(&[&group]).await.remove(0).1?;
        assert!(!listed(GroupFilter::default()).await?);
        let again = admin.delete_groups(&[&group]).await.remove(0).1;
        assert_code(again, ErrorCode::GroupIdNotFound);
        let absent = admin.delete_offsets(&group, &partitions).await;
        assert_code(absent, ErrorCode::GroupIdNotFound);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_removed_by_name() -> Result<()> {
    on_target(async |target| {
        let (topic, _) = filled_topic(&target).await?;
        let group = unique("remove");
        let admin = target.admin();
        let instance = unique("instance");
        let config = ConsumerConfig::group(group.as_str())
            .group_instance_id(instance.as_str())
            .auto_offset_reset(OffsetReset::Earliest);
        let consumer = Consumer::new(target.client(), config)?;
        consumer.subscribe([topic.as_str()]).await?;
        take(&consumer, 1).await?;
        // A static member stays in its group when it is closed.
        consumer.close().await?;
        let described = admin.describe_groups(&[&group]).await?.remove(0).1?;
        assert_eq!(described.members.len(), 1);
        let names = [
            MemberName::Instance(instance.clone()),
            MemberName::Id("nobody".to_owned()),
        ];
        let mut results = admin.remove_members(&group, &names, "test").await?;
        results.remove(0).1?;
        assert_code(results.remove(0).1, ErrorCode::UnknownMemberId);
        eventually("the group is empty", async || {
            let described = admin.describe_groups(&[&group]).await?.remove(0).1?;
            Ok(described.members.is_empty().then_some(()))
        })
        .await?;
        assert!(admin.remove_all_members(&group, "test").await?.is_empty());
        Ok(())
    })
    .await
}
