//! Where consuming starts, partition by partition.

use milena_client::admin::OffsetAt;
use milena_client::consumer::{Consumer, SeekTo};
use milena_client::{Admin, TopicPartition};

use crate::failure::Failure;
use crate::record::start::Start;

/// The partitions of the topics, or those of them that were asked for.
pub(super) async fn partitions(
    admin: &Admin,
    topics: &[String],
    wanted: &[i32],
) -> Result<Vec<TopicPartition>, Failure> {
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut partitions = Vec::new();
    for (name, description) in admin.describe_topics(&names).await? {
        let indices: Vec<i32> = description?
            .partitions
            .iter()
            .map(|partition| partition.index)
            .collect();
        if let Some(missing) = wanted.iter().find(|index| !indices.contains(index)) {
            return Err(Failure::usage(format!(
                "-p {missing}: {name} has the partitions 0 to {}",
                indices.len().saturating_sub(1)
            )));
        }
        let chosen = indices
            .iter()
            .filter(|index| wanted.is_empty() || wanted.contains(index));
        partitions.extend(chosen.map(|index| TopicPartition::new(name.as_str(), *index)));
    }
    Ok(partitions)
}

/// Sends every partition to where it starts.
pub(super) async fn start(
    admin: &Admin,
    consumer: &Consumer,
    partitions: &[TopicPartition],
    start: Start,
) -> Result<(), Failure> {
    let target = match start {
        Start::Beginning | Start::Stored => SeekTo::Beginning,
        Start::End => SeekTo::End,
        Start::Offset(offset) => SeekTo::Offset(offset),
        Start::Timestamp(timestamp) => SeekTo::Timestamp(timestamp),
        Start::BeforeEnd(count) => return before_end(admin, consumer, partitions, count).await,
    };
    for partition in partitions {
        consumer.seek(partition, target).await?;
    }
    Ok(())
}

/// The last `count` of each partition, or as many as there are.
async fn before_end(
    admin: &Admin,
    consumer: &Consumer,
    partitions: &[TopicPartition],
    count: i64,
) -> Result<(), Failure> {
    let starts = admin.list_offsets(partitions, OffsetAt::Earliest).await?;
    let ends = admin.list_offsets(partitions, OffsetAt::Latest).await?;
    for ((partition, start), (_, end)) in starts.into_iter().zip(ends) {
        let first = start?.unwrap_or(0);
        let offset = end?.unwrap_or(0).saturating_sub(count).max(first);
        consumer.seek(&partition, SeekTo::Offset(offset)).await?;
    }
    Ok(())
}
