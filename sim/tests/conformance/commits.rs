//! Commits: a group goes on where it committed, not where it read.

use anyhow::Result;
use milena_client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use milena_client::producer::{ProducerConfig, Record};
use milena_sim::target::{Target, all_partitions, on_target, take, unique};

async fn produce_numbers(target: &Target, topic: &str, count: u32) -> Result<()> {
    let producer = target.producer(ProducerConfig::default())?;
    for number in 0..count {
        producer
            .send(Record::to(topic).value(&number.to_string()))
            .await?;
    }
    producer.close().await?;
    Ok(())
}

async fn member(target: &Target, group: &str, topic: &str) -> Result<Consumer> {
    let config = ConsumerConfig::group(group).auto_offset_reset(OffsetReset::Earliest);
    let consumer = Consumer::new(target.client(), config)?;
    consumer.subscribe([topic]).await?;
    Ok(consumer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_goes_on_behind_the_last_commit() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("commits", 1).await?;
        let group = unique("commits");
        produce_numbers(&target, &topic, 30).await?;

        let first = member(&target, &group, &topic).await?;
        take(&first, 10).await?;
        first.commit().await?;
        take(&first, 5).await?;
        first.close().await?;

        let second = member(&target, &group, &topic).await?;
        let records = take(&second, 20).await?;
        let offsets: Vec<i64> = records.iter().map(|record| record.offset()).collect();
        assert_eq!(offsets, (10..30).collect::<Vec<i64>>());
        second.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_committed_by_hand_is_told_and_used() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("by-hand", 1).await?;
        let group = unique("by-hand");
        let partitions = all_partitions(&topic, 1);
        produce_numbers(&target, &topic, 10).await?;

        let first = member(&target, &group, &topic).await?;
        take(&first, 10).await?;
        assert_eq!(
            first.committed(&partitions).await?,
            [(partitions[0].clone(), None)]
        );
        first.commit_offsets(&[(partitions[0].clone(), 7)]).await?;
        assert_eq!(
            first.committed(&partitions).await?,
            [(partitions[0].clone(), Some(7))]
        );
        first.close().await?;

        let second = member(&target, &group, &topic).await?;
        assert_eq!(take(&second, 1).await?[0].offset(), 7);
        second.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_commits_cover_what_was_handed_out_at_closing() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("automatic", 1).await?;
        let group = unique("automatic");
        produce_numbers(&target, &topic, 10).await?;
        let config = ConsumerConfig::group(group.as_str())
            .auto_offset_reset(OffsetReset::Earliest)
            .enable_auto_commit(true);
        let first = Consumer::new(target.client(), config)?;
        first.subscribe([topic.as_str()]).await?;
        take(&first, 6).await?;
        first.close().await?;

        let second = member(&target, &group, &topic).await?;
        assert_eq!(take(&second, 1).await?[0].offset(), 6);
        second.close().await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_group_starts_at_the_end_unless_told_otherwise() -> Result<()> {
    on_target(async |target| {
        let topic = target.topic("latest", 1).await?;
        produce_numbers(&target, &topic, 5).await?;
        let config = ConsumerConfig::group(unique("latest"));
        let consumer = Consumer::new(target.client(), config)?;
        consumer.subscribe([topic.as_str()]).await?;
        let partition = &all_partitions(&topic, 1)[0];
        while consumer.position(partition).is_none() {
            let polled = consumer.poll(std::time::Duration::from_millis(100)).await?;
            assert!(polled.is_empty(), "nothing is new yet");
        }
        produce_numbers(&target, &topic, 1).await?;
        assert_eq!(take(&consumer, 1).await?[0].offset(), 5);
        consumer.close().await?;
        Ok(())
    })
    .await
}
