//! More partitions for topics.

use super::topics::{has_partitions, reject_moved_controller};
use super::{Admin, ChangeMode, PerItem, check, text};
use crate::topology::NodeId;
use crate::wire::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use crate::wire::messages::{BrokerId, CreatePartitionsRequest, TopicName};

/// How many partitions a topic is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct NewPartitions {
    topic: String,
    total: i32,
    assignments: Option<Vec<Vec<NodeId>>>,
}

impl NewPartitions {
    /// So many in all, more than there are. Keys go to other partitions afterwards.
    pub fn total(topic: impl Into<String>, total: i32) -> Self {
        Self {
            topic: topic.into(),
            total,
            assignments: None,
        }
    }

    /// On which brokers each of the new partitions lies, the preferred leader first. Default: the
    /// controller's choice.
    pub fn assignments(mut self, replicas: Vec<Vec<NodeId>>) -> Self {
        self.assignments = Some(replicas);
        self
    }

    fn to_wire(&self) -> CreatePartitionsTopic {
        let assignments = self.assignments.as_ref().map(|assignments| {
            let assignment = |replicas: &Vec<NodeId>| {
                let ids = replicas.iter().map(|node| BrokerId(node.0));
                CreatePartitionsAssignment::default().with_broker_ids(ids.collect())
            };
            assignments.iter().map(assignment).collect()
        });
        CreatePartitionsTopic::default()
            .with_name(TopicName(text(&self.topic)))
            .with_count(self.total)
            .with_assignments(assignments)
    }
}

impl Admin {
    /// Gives topics more partitions, or checks that they could have them. Returns when a broker tells
    /// of them with their leaders. Each topic has its own result, such as INVALID_PARTITIONS when it
    /// has as many already.
    pub async fn create_partitions(
        &self,
        topics: &[NewPartitions],
        mode: ChangeMode,
    ) -> PerItem<()> {
        let names: Vec<String> = topics.iter().map(|topic| topic.topic.clone()).collect();
        let results = self
            .each("creation of partitions", &names, |open| async move {
                let is_open = |topic: &&NewPartitions| open.contains(&topic.topic);
                let asked = topics.iter().filter(is_open).map(NewPartitions::to_wire);
                let request = CreatePartitionsRequest::default()
                    .with_topics(asked.collect())
                    .with_timeout_ms(self.broker_timeout_ms())
                    .with_validate_only(mode == ChangeMode::ValidateOnly);
                let connection = self.controller().await?;
                let response = connection.call(&request, self.timeout).await?;
                reject_moved_controller(response.results.iter().map(|topic| topic.error_code))?;
                let results = response.results.iter().map(|topic| {
                    let name = topic.name.to_string();
                    let result = check(topic.error_code, topic.error_message.as_ref(), || {
                        format!("cannot give topic {name} more partitions")
                    });
                    (name, result)
                });
                Ok(results.collect())
            })
            .await;
        if mode == ChangeMode::Apply {
            for (topic, (name, result)) in topics.iter().zip(&results) {
                if result.is_ok() {
                    let total = usize::try_from(topic.total).unwrap_or(0);
                    let names = [name.as_str().into()];
                    self.wait_until(&names, |topic| has_partitions(topic, total))
                        .await;
                }
            }
        }
        results
    }
}
