//! Which partitions of a group a command is about.

use milena_client::Admin;
use milena_client::TopicPartition;

use crate::failure::Failure;
use crate::partition_list::PartitionName;

/// The partitions named, those of the topics named, or else all that the group has committed.
pub(super) async fn chosen(
    admin: &Admin,
    group: &str,
    topics: &[String],
    partitions: &[PartitionName],
) -> Result<Vec<TopicPartition>, Failure> {
    let mut chosen: Vec<TopicPartition> = partitions.iter().map(|name| name.0.clone()).collect();
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    for (name, description) in admin.describe_topics(&names).await? {
        let indexes = description?.partitions.into_iter().map(|one| one.index);
        chosen.extend(indexes.map(|index| TopicPartition::new(name.as_str(), index)));
    }
    if topics.is_empty() && partitions.is_empty() {
        let committed = admin.committed_offsets(group).await?.into_iter();
        chosen.extend(committed.map(|commit| commit.partition));
    }
    chosen.sort();
    chosen.dedup();
    if chosen.is_empty() {
        return Err(Failure::usage(format!(
            "group {group} has committed nothing; name topics with -t"
        )));
    }
    Ok(chosen)
}
