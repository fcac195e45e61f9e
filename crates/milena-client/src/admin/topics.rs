//! Topics: create, delete, list, describe.

use std::sync::Arc;

use uuid::Uuid;

use super::{Admin, PerItem, check, in_order, text};
use crate::error::Error;
use crate::topology::NodeId;
use crate::wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use crate::wire::messages::create_topics_response::CreatableTopicResult;
use crate::wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use crate::wire::messages::{
    BrokerId, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, TopicName,
};
use crate::wire::{ApiKey, ErrorCode};

/// Up to this version topics are deleted by name alone.
const DELETE_BY_NAME_VERSIONS: (i16, i16) = (1, 5);
/// Lets the broker decide.
const BROKER_DEFAULT: i16 = -1;

/// A topic to be created. What is not set is the broker's default (KIP-464).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct NewTopic {
    name: String,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            configs: Vec::new(),
        }
    }

    /// The number of partitions, from 1. Default: the broker's `num.partitions`.
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// On how many brokers each partition lies. Default: the broker's `default.replication.factor`.
    pub fn replication_factor(mut self, replication_factor: i16) -> Self {
        self.replication_factor = Some(replication_factor);
        self
    }

    /// A topic configuration such as `cleanup.policy`.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((name.into(), value.into()));
        self
    }

    fn to_wire(&self) -> CreatableTopic {
        let configs = self.configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        });
        CreatableTopic::default()
            .with_name(TopicName(text(&self.name)))
            .with_num_partitions(self.partitions.unwrap_or(BROKER_DEFAULT.into()))
            .with_replication_factor(self.replication_factor.unwrap_or(BROKER_DEFAULT))
            .with_configs(configs.collect())
    }
}

/// Whether topics are created or only checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateMode {
    /// Create them.
    Create,
    /// Check that they could be created; change nothing.
    ValidateOnly,
}

/// A topic that was created, or could be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedTopic {
    /// Its id; nil if it was only checked, or the broker has no topic ids.
    pub id: Uuid,
    /// Its number of partitions, if the broker tells.
    pub partitions: Option<i32>,
    /// Its replication factor, if the broker tells.
    pub replication_factor: Option<i16>,
}

/// One row of the list of topics.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicListing {
    /// The topic's name.
    pub name: String,
    /// Its id; nil from brokers before 2.8.
    pub id: Uuid,
    /// Kafka keeps its own records in it, such as `__consumer_offsets`.
    pub is_internal: bool,
    /// Its number of partitions.
    pub partitions: usize,
    /// The number of replicas of its first partition.
    pub replication_factor: usize,
}

/// A topic in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// The topic's name.
    pub name: String,
    /// Its id; nil from brokers before 2.8.
    pub id: Uuid,
    /// Kafka keeps its own records in it.
    pub is_internal: bool,
    /// Its partitions by index.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// Its index, from 0.
    pub index: i32,
    /// The broker that takes its reads and writes, if there is one now.
    pub leader: Option<NodeId>,
    /// Counts the elections; -1 if the broker does not tell.
    pub leader_epoch: i32,
    /// The brokers that should hold it, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Those of them that are in sync.
    pub in_sync_replicas: Vec<NodeId>,
    /// Those of them that are down.
    pub offline_replicas: Vec<NodeId>,
    /// Those that are not in sync and may lead all the same, for they have everything that was
    /// acknowledged (KIP-966). Only [`Admin::describe_topic_page`] tells.
    pub eligible_leader_replicas: Vec<NodeId>,
}

impl Admin {
    /// Creates one topic.
    ///
    /// # Errors
    /// [`Error::Broker`] with TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS and the like. The topic that
    /// exists may be of this very call: brokers repeat it when the controller changes meanwhile.
    pub async fn create_topic(&self, topic: NewTopic) -> Result<CreatedTopic, Error> {
        let results = self.create_topics(&[topic], CreateMode::Create).await?;
        single(results)
    }

    /// Creates topics, or checks that they could be. Returns when a broker tells of them with their
    /// leaders, which may be later than the controller's answer.
    ///
    /// # Errors
    /// Only if no controller answered; each topic has its own result.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        mode: CreateMode,
    ) -> Result<PerItem<CreatedTopic>, Error> {
        let request = CreateTopicsRequest::default()
            .with_topics(topics.iter().map(NewTopic::to_wire).collect())
            .with_timeout_ms(self.broker_timeout_ms())
            .with_validate_only(mode == CreateMode::ValidateOnly);
        let response: CreateTopicsResponse = self
            .retry("creation of topics", || async {
                let response = self
                    .controller()
                    .await?
                    .call(&request, self.timeout)
                    .await?;
                reject_moved_controller(response.topics.iter().map(|topic| topic.error_code))?;
                Ok(response)
            })
            .await?;
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        let results = in_order(&names, response.topics.iter().map(created).collect());
        if mode == CreateMode::Create {
            self.wait_until(&succeeded(&results), is_usable).await;
        }
        Ok(results)
    }

    /// Deletes topics and all their records. Returns when a broker no longer tells of them, which may
    /// be later than the controller's answer.
    ///
    /// # Errors
    /// Only if no controller answered; each topic has its own result.
    pub async fn delete_topics(&self, names: &[&str]) -> Result<PerItem<()>, Error> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(names.iter().map(|name| TopicName(text(name))).collect())
            .with_timeout_ms(self.broker_timeout_ms());
        let response = self
            .retry("deletion of topics", || async {
                let connection = self.controller().await?;
                let (min, max) = DELETE_BY_NAME_VERSIONS;
                let version = connection
                    .version_within(ApiKey::DeleteTopics, min, max)
                    .ok_or_else(|| connection.unsupported("DeleteTopics"))?;
                let response = connection.call_at(&request, version, self.timeout).await?;
                reject_moved_controller(response.responses.iter().map(|topic| topic.error_code))?;
                Ok(response)
            })
            .await?;
        let results = response.responses.iter().map(|topic| {
            let name = topic
                .name
                .as_ref()
                .map_or_else(String::new, |name| name.to_string());
            let result = check(topic.error_code, topic.error_message.as_ref(), || {
                format!("cannot delete topic {name}")
            });
            (name, result)
        });
        let results = in_order(names, results.collect());
        self.wait_until(&succeeded(&results), is_unknown).await;
        Ok(results)
    }

    /// Asks for topics until what a broker says of each is as it should be. If that does not happen in
    /// time, the controller's word stands: it has done what it was asked for.
    pub(super) async fn wait_until(
        &self,
        names: &[Arc<str>],
        is_done: impl Fn(&MetadataResponseTopic) -> bool,
    ) {
        if names.is_empty() {
            return;
        }
        let what = "news of topics to spread";
        let is_done = &is_done;
        let waited = self.retry(what, || async move {
            let response = self.metadata(Some(names)).await?;
            match response.topics.iter().find(|topic| !is_done(topic)) {
                Some(_) => Err(Error::broker(ErrorCode::LeaderNotAvailable, what)),
                None => Ok(()),
            }
        });
        if let Err(error) = waited.await {
            tracing::debug!(event = "topics_not_spread", error = %error);
        }
    }

    /// All topics that may be seen, sorted by name, Kafka's own included.
    ///
    /// # Errors
    /// If no broker answered.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, Error> {
        let response = self.retry("list of topics", || self.metadata(None)).await?;
        let mut topics: Vec<TopicListing> = response.topics.iter().filter_map(listing).collect();
        topics.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(topics)
    }

    /// The partitions of topics. For their configuration, see [`Admin::topic_configs`].
    ///
    /// # Errors
    /// Only if no broker answered; each topic has its own result, such as UNKNOWN_TOPIC_OR_PARTITION.
    pub async fn describe_topics(
        &self,
        names: &[&str],
    ) -> Result<PerItem<TopicDescription>, Error> {
        let asked: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
        let response = self
            .retry("description of topics", || self.metadata(Some(&asked)))
            .await?;
        Ok(in_order(
            names,
            response.topics.iter().map(description).collect(),
        ))
    }
}

/// Whether a topic can be written to and read from.
fn is_usable(topic: &MetadataResponseTopic) -> bool {
    let mut partitions = topic.partitions.iter();
    topic.error_code == 0 && partitions.all(|partition| partition.leader_id.0 >= 0)
}

/// Whether it has so many partitions, all with leaders.
pub(super) fn has_partitions(topic: &MetadataResponseTopic, total: usize) -> bool {
    is_usable(topic) && topic.partitions.len() >= total
}

fn is_unknown(topic: &MetadataResponseTopic) -> bool {
    ErrorCode::from(topic.error_code) == ErrorCode::UnknownTopicOrPartition
}

fn succeeded<T>(results: &PerItem<T>) -> Vec<Arc<str>> {
    let succeeded = results.iter().filter(|(_, result)| result.is_ok());
    succeeded
        .map(|(name, _)| Arc::from(name.as_str()))
        .collect()
}

/// One question, one answer.
fn single<T>(results: PerItem<T>) -> Result<T, Error> {
    let first = results.into_iter().next();
    first.map_or_else(
        || Err(Error::protocol("the broker sent an empty answer")),
        |(_, only)| only,
    )
}

/// Fails the whole attempt if the broker is not the controller (any more), so that it is repeated.
pub(super) fn reject_moved_controller(mut codes: impl Iterator<Item = i16>) -> Result<(), Error> {
    match codes.find(|code| ErrorCode::from(*code) == ErrorCode::NotController) {
        Some(code) => Err(Error::broker(code, "request to the controller")),
        None => Ok(()),
    }
}

fn created(topic: &CreatableTopicResult) -> (String, Result<CreatedTopic, Error>) {
    let name = topic.name.to_string();
    let result = check(topic.error_code, topic.error_message.as_ref(), || {
        format!("cannot create topic {name}")
    });
    let created = CreatedTopic {
        id: topic.topic_id,
        partitions: Some(topic.num_partitions).filter(|count| *count > 0),
        replication_factor: Some(topic.replication_factor).filter(|factor| *factor > 0),
    };
    (name, result.map(|()| created))
}

fn listing(topic: &MetadataResponseTopic) -> Option<TopicListing> {
    Some(TopicListing {
        name: topic.name.as_ref()?.to_string(),
        id: topic.topic_id,
        is_internal: topic.is_internal,
        partitions: topic.partitions.len(),
        replication_factor: topic
            .partitions
            .first()
            .map_or(0, |first| first.replica_nodes.len()),
    })
}

pub(super) fn description(
    topic: &MetadataResponseTopic,
) -> (String, Result<TopicDescription, Error>) {
    let name = topic
        .name
        .as_ref()
        .map_or_else(String::new, |name| name.to_string());
    if let Err(error) = check(topic.error_code, None, || {
        format!("cannot describe topic {name}")
    }) {
        return (name, Err(error));
    }
    let partitions = topic.partitions.iter().map(describe_partition).collect();
    let described = description_of(&name, topic.topic_id, topic.is_internal, partitions);
    (name, Ok(described))
}

pub(super) fn description_of(
    name: &str,
    id: Uuid,
    is_internal: bool,
    mut partitions: Vec<PartitionDescription>,
) -> TopicDescription {
    partitions.sort_by_key(|partition| partition.index);
    TopicDescription {
        name: name.to_owned(),
        id,
        is_internal,
        partitions,
    }
}

fn describe_partition(partition: &MetadataResponsePartition) -> PartitionDescription {
    let nodes = |ids: &[BrokerId]| ids.iter().map(|id| NodeId(id.0)).collect();
    PartitionDescription {
        index: partition.partition_index,
        leader: Some(NodeId(partition.leader_id.0)).filter(|node| node.0 >= 0),
        leader_epoch: partition.leader_epoch,
        replicas: nodes(&partition.replica_nodes),
        in_sync_replicas: nodes(&partition.isr_nodes),
        offline_replicas: nodes(&partition.offline_replicas),
        eligible_leader_replicas: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
