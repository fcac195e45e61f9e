//! Where consuming starts, partition by partition.

use milena_client::admin::OffsetAt;
use milena_client::consumer::SeekTo;
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

/// Where each partition starts.
pub(super) async fn starts(
    admin: &Admin,
    partitions: Vec<TopicPartition>,
    start: Start,
) -> Result<Vec<(TopicPartition, SeekTo)>, Failure> {
    let target = match start {
        Start::Beginning | Start::Stored => SeekTo::Beginning,
        Start::End => SeekTo::End,
        Start::Offset(offset) => SeekTo::Offset(offset),
        Start::Timestamp(timestamp) => SeekTo::Timestamp(timestamp),
        Start::BeforeEnd(count) => return before_end(admin, &partitions, count).await,
    };
    let partitions = partitions.into_iter();
    Ok(partitions.map(|partition| (partition, target)).collect())
}

/// The last `count` of each partition, or as many as there are.
async fn before_end(
    admin: &Admin,
    partitions: &[TopicPartition],
    count: i64,
) -> Result<Vec<(TopicPartition, SeekTo)>, Failure> {
    let firsts = admin.list_offsets(partitions, OffsetAt::Earliest).await?;
    let ends = admin.list_offsets(partitions, OffsetAt::Latest).await?;
    let mut starts = Vec::new();
    for ((partition, first), (_, end)) in firsts.into_iter().zip(ends) {
        let first = first?.unwrap_or(0);
        let offset = end?.unwrap_or(0).saturating_sub(count).max(first);
        starts.push((partition, SeekTo::Offset(offset)));
    }
    Ok(starts)
}
