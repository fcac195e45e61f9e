//! The directories brokers keep partitions in: what takes how much space, and moving it (KIP-113).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::each::failed;
use super::{Admin, PerItem, check, text};
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use crate::wire::messages::describe_log_dirs_response::DescribeLogDirsResult;
use crate::wire::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest, TopicName};

/// One directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogDirDescription {
    /// Its path on the broker.
    pub path: String,
    /// Why it cannot be used, if it cannot.
    pub error: Option<crate::ErrorCode>,
    /// Bytes of the file system; none from brokers before 3.3.
    pub total_bytes: Option<i64>,
    /// Free bytes of the file system; none from brokers before 3.3.
    pub usable_bytes: Option<i64>,
    /// The partitions in it, sorted.
    pub replicas: Vec<ReplicaInfo>,
}

/// A replica of a partition in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaInfo {
    /// The partition.
    pub partition: TopicPartition,
    /// How much space it takes.
    pub bytes: i64,
    /// How many records it is behind.
    pub offset_lag: i64,
    /// It is being moved here from another directory of the same broker.
    pub is_future: bool,
}

/// A replica, by the partition and the broker it is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// The partition.
    pub partition: TopicPartition,
    /// The broker.
    pub node: NodeId,
}

impl Admin {
    /// The directories of brokers with the partitions in them; each broker has its own result.
    pub async fn describe_log_dirs(
        &self,
        nodes: &[NodeId],
    ) -> PerItem<Vec<LogDirDescription>, NodeId> {
        self.each("description of log directories", nodes, |open| async move {
            let mut results = Vec::with_capacity(open.len());
            for node in open {
                results.push((node, self.describe_log_dirs_of(node).await));
            }
            Ok(results)
        })
        .await
    }

    async fn describe_log_dirs_of(&self, node: NodeId) -> Result<Vec<LogDirDescription>, Error> {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let connection = self.known_node(node).await?;
        let response = connection.call(&request, self.timeout).await?;
        check(response.error_code, None, || {
            format!("cannot describe the log directories of broker {node}")
        })?;
        Ok(response.results.iter().map(read_dir).collect())
    }

    /// Begins to move replicas to other directories of their brokers; each has its own result, such as
    /// LOG_DIR_NOT_FOUND.
    pub async fn alter_replica_log_dirs(
        &self,
        moves: &[(Replica, String)],
    ) -> PerItem<(), Replica> {
        let targets: &BTreeMap<Replica, String> = &moves.iter().cloned().collect();
        let asked: Vec<Replica> = moves.iter().map(|(replica, _)| replica.clone()).collect();
        self.each("move to other log directories", &asked, |open| async move {
            let mut by_node: BTreeMap<NodeId, Vec<Replica>> = BTreeMap::new();
            for replica in open {
                by_node.entry(replica.node).or_default().push(replica);
            }
            let mut results = Vec::new();
            for (node, replicas) in by_node {
                match self.alter_log_dirs_of(node, &replicas, targets).await {
                    Ok(answers) => results.extend(answers),
                    Err(error) => results.extend(failed(replicas, &error)),
                }
            }
            Ok(results)
        })
        .await
    }

    async fn alter_log_dirs_of(
        &self,
        node: NodeId,
        replicas: &[Replica],
        targets: &BTreeMap<Replica, String>,
    ) -> Result<PerItem<(), Replica>, Error> {
        let mut dirs: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
        for replica in replicas {
            let Some(path) = targets.get(replica) else {
                continue;
            };
            let topics = dirs.entry(path).or_default();
            let indexes = topics.entry(&replica.partition.topic).or_default();
            indexes.push(replica.partition.partition);
        }
        let dirs = dirs.into_iter().map(|(path, topics)| {
            let topics = topics.into_iter().map(|(name, indexes)| {
                AlterReplicaLogDirTopic::default()
                    .with_name(TopicName(text(name)))
                    .with_partitions(indexes)
            });
            AlterReplicaLogDir::default()
                .with_path(text(path))
                .with_topics(topics.collect())
        });
        let request = AlterReplicaLogDirsRequest::default().with_dirs(dirs.collect());
        let connection = self.known_node(node).await?;
        let response = connection.call(&request, self.timeout).await?;
        let mut results = Vec::with_capacity(replicas.len());
        for topic in &response.results {
            let name: Arc<str> = topic.topic_name.as_str().into();
            for row in &topic.partitions {
                let partition = TopicPartition::new(Arc::clone(&name), row.partition_index);
                let result = check(row.error_code, None, || {
                    format!("cannot move {partition} on broker {node}")
                });
                results.push((Replica { partition, node }, result));
            }
        }
        Ok(results)
    }
}

fn read_dir(dir: &DescribeLogDirsResult) -> LogDirDescription {
    let mut replicas = Vec::new();
    for topic in &dir.topics {
        let name: Arc<str> = topic.name.as_str().into();
        replicas.extend(topic.partitions.iter().map(|row| ReplicaInfo {
            partition: TopicPartition::new(Arc::clone(&name), row.partition_index),
            bytes: row.partition_size,
            offset_lag: row.offset_lag,
            is_future: row.is_future_key,
        }));
    }
    replicas.sort_by(|left, right| left.partition.cmp(&right.partition));
    let known = |bytes: i64| Some(bytes).filter(|bytes| *bytes >= 0);
    LogDirDescription {
        path: dir.log_dir.to_string(),
        error: Some(crate::ErrorCode::from(dir.error_code)).filter(|_| dir.error_code != 0),
        total_bytes: known(dir.total_bytes),
        usable_bytes: known(dir.usable_bytes),
        replicas,
    }
}
