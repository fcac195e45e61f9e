//! Partitions as they are written on the command line: `TOPIC:PARTITION`.

use std::str::FromStr;

use milena_client::TopicPartition;

/// One partition, as clap reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionName(pub(crate) TopicPartition);

impl FromStr for PartitionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once(':').and_then(|(topic, partition)| {
            let partition: i32 = partition.parse().ok()?;
            let is_named = !topic.is_empty() && partition >= 0;
            is_named.then(|| PartitionName(TopicPartition::new(topic, partition)))
        });
        parsed.ok_or_else(|| "write it as TOPIC:PARTITION, such as orders:0".to_owned())
    }
}

#[cfg(test)]
mod tests;
