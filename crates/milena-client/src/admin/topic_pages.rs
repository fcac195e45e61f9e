//! Topics by their ids, and partitions a page at a time (KIP-516, KIP-966).

use uuid::Uuid;

use super::topics::{description, description_of};
use super::{Admin, PartitionDescription, PerItem, TopicDescription, check, text};
use crate::error::Error;
use crate::topology::NodeId;
use crate::wire::ApiKey;
use crate::wire::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use crate::wire::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use crate::wire::messages::metadata_request::MetadataRequestTopic;
use crate::wire::messages::{BrokerId, DescribeTopicPartitionsRequest, MetadataRequest, TopicName};

/// Topics can be asked for by id in the first of these; the last one asks no more than we know of.
const METADATA_BY_ID_VERSIONS: (i16, i16) = (12, 12);

/// Where a page of partitions begins: at a partition of a topic, in the order of the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageStart {
    /// The topic's name.
    pub topic: String,
    /// The partition's index.
    pub partition: i32,
}

/// Partitions of topics, as many as fit in one answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct TopicPage {
    /// The topics in the order of their names; the first and the last may have further partitions on
    /// other pages.
    pub topics: PerItem<TopicDescription>,
    /// Where the next page begins; none, if this is the last one.
    pub next: Option<PageStart>,
}

impl Admin {
    /// Topics by their ids, in the order asked. Needs brokers since 3.1.
    ///
    /// # Errors
    /// If no broker answered, or none knows how; each topic has its own result, such as
    /// UNKNOWN_TOPIC_ID.
    pub async fn describe_topics_by_id(
        &self,
        ids: &[Uuid],
    ) -> Result<PerItem<TopicDescription, Uuid>, Error> {
        let asked = ids.iter().map(|id| {
            MetadataRequestTopic::default()
                .with_topic_id(*id)
                .with_name(None)
        });
        let request = MetadataRequest::default()
            .with_topics(Some(asked.collect()))
            .with_allow_auto_topic_creation(false);
        let response = self
            .retry("description of topics by id", || async {
                let connection = self.lane.any_connection().await?;
                let (min, max) = METADATA_BY_ID_VERSIONS;
                let version = connection
                    .version_within(ApiKey::Metadata, min, max)
                    .ok_or_else(|| connection.unsupported("Metadata by topic id"))?;
                connection.call_at(&request, version, self.timeout).await
            })
            .await?;
        let result = |id: &Uuid| {
            let mut topics = response.topics.iter();
            let found = topics.find(|topic| topic.topic_id == *id);
            let silence = || Error::protocol(format!("the broker said nothing about {id}"));
            let described = found.ok_or_else(silence);
            (*id, described.and_then(|topic| description(topic).1))
        };
        Ok(ids.iter().map(result).collect())
    }

    /// Partitions of `topics`, or of all without any, at most about `partitions_max` of them and as
    /// many as the broker gives at once: from `start` on, or from the first. Needs brokers since 3.7.
    ///
    /// ```no_run
    /// # async fn example(admin: &milena_client::Admin) -> Result<(), milena_client::Error> {
    /// let mut start = None;
    /// loop {
    ///     let page = admin.describe_topic_page(&[], start.as_ref(), 2000).await?;
    ///     println!("{} topics", page.topics.len());
    ///     start = page.next;
    ///     if start.is_none() {
    ///         return Ok(());
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// If no broker answered, or none knows how; each topic has its own result.
    pub async fn describe_topic_page(
        &self,
        topics: &[&str],
        start: Option<&PageStart>,
        partitions_max: i32,
    ) -> Result<TopicPage, Error> {
        let names = topics.iter();
        let names = names.map(|name| TopicRequest::default().with_name(TopicName(text(name))));
        let cursor = start.map(|start| {
            Cursor::default()
                .with_topic_name(TopicName(text(&start.topic)))
                .with_partition_index(start.partition)
        });
        let request = DescribeTopicPartitionsRequest::default()
            .with_topics(names.collect())
            .with_response_partition_limit(partitions_max)
            .with_cursor(cursor);
        let response = self
            .retry("description of a page of partitions", || async {
                let connection = self.lane.any_connection().await?;
                connection.call(&request, self.timeout).await
            })
            .await?;
        Ok(TopicPage {
            topics: response.topics.iter().map(described).collect(),
            next: response.next_cursor.map(|cursor| PageStart {
                topic: cursor.topic_name.to_string(),
                partition: cursor.partition_index,
            }),
        })
    }
}

fn described(
    topic: &DescribeTopicPartitionsResponseTopic,
) -> (String, Result<TopicDescription, Error>) {
    let name = topic.name.as_ref();
    let name = name.map_or_else(String::new, |name| name.to_string());
    let checked = check(topic.error_code, None, || {
        format!("cannot describe topic {name}")
    });
    let partitions = topic.partitions.iter().map(partition).collect();
    let described = description_of(&name, topic.topic_id, topic.is_internal, partitions);
    (name, checked.map(|()| described))
}

fn partition(partition: &DescribeTopicPartitionsResponsePartition) -> PartitionDescription {
    let nodes = |ids: &[BrokerId]| ids.iter().map(|id| NodeId(id.0)).collect();
    let eligible = partition.eligible_leader_replicas.as_deref();
    PartitionDescription {
        index: partition.partition_index,
        leader: Some(NodeId(partition.leader_id.0)).filter(|node| node.0 >= 0),
        leader_epoch: partition.leader_epoch,
        replicas: nodes(&partition.replica_nodes),
        in_sync_replicas: nodes(&partition.isr_nodes),
        offline_replicas: nodes(&partition.offline_replicas),
        eligible_leader_replicas: nodes(eligible.unwrap_or_default()),
    }
}
