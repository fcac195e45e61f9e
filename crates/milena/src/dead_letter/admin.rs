//! Looking after dead letter topics: the handle that browsing, redriving and purging start from.
//!
//! Owns the connections and what is the same for all operations: the topic's partitions, its audit
//! topic, its marks.

use milena_client::admin::{NewTopic, TopicDescription};
use milena_client::producer::{ProducerConfig, Record};
use milena_client::transaction::{TransactionError, TransactionalProducer};
use milena_client::{Admin, Client, ErrorCode, TopicPartition};

use super::error::DeadLetterError;
use super::ledger::{AUDIT_SUFFIX, AuditEntry, Marks, audit_topic};
use super::scan::Scan;
use crate::config::{Config, TopicPrefix};

/// Browses, redrives and purges the dead letters of a cluster. Cheap to clone.
///
/// Topics are named as elsewhere in the framework: without the `topic.prefix` of the configuration,
/// which is put on whatever topic is named here, and off those that are shown, where they have it.
/// The headers of letters and the audit topic hold the names that the cluster knows. An admin made
/// [with a client](DeadLetterAdmin::with_client) has no prefix.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::ops::ControlFlow;
///
/// use milena::Config;
/// use milena::dead_letter::{DeadLetterAdmin, Filter};
///
/// let admin = DeadLetterAdmin::new(&Config::from_env()?)?;
/// let mut filter = Filter::default();
/// filter.code = Some("timeout".to_owned());
///
/// let summary = admin.summary("orders.dlq", &filter).await?;
/// println!("{} letters wait", summary.open);
///
/// let redrive = admin.redrive("orders.dlq").filter(filter).by("ada").per_second(100);
/// println!("{:?}", redrive.plan().await?);
/// let report = redrive.execute(|_| ControlFlow::Continue(())).await?;
/// println!("{} letters went back", report.redriven);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DeadLetterAdmin {
    pub(super) client: Client,
    pub(super) admin: Admin,
    pub(super) prefix: TopicPrefix,
    producer: ProducerConfig,
}

impl DeadLetterAdmin {
    /// With connections of its own, made when first used, and the topic prefix of the
    /// configuration; needs a tokio runtime.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn new(config: &Config) -> Result<DeadLetterAdmin, DeadLetterError> {
        let client = Client::new(config.client_config()?)?;
        let producer = config.producer_config()?;
        Ok(DeadLetterAdmin {
            prefix: config.topic_prefix.clone(),
            ..DeadLetterAdmin::with_client(&client, producer)
        })
    }

    /// On the connections of `client`, with topics named as the cluster names them. `producer` says
    /// how large records may be and how they are compressed when they are redriven.
    #[must_use]
    pub fn with_client(client: &Client, producer: ProducerConfig) -> DeadLetterAdmin {
        DeadLetterAdmin {
            client: client.clone(),
            admin: Admin::new(client),
            prefix: TopicPrefix::default(),
            producer,
        }
    }

    /// The topics of the cluster whose names are those of dead letter topics: `x.dlq`, `x-dlq`,
    /// `x.DLT`, `x-dlt`, `dlq.x`, `dead-letter-topic-x`, `wolverine-dead-letter-queue` and the like.
    /// Others are dead letter topics all the same when you name them. With a prefix, those that have
    /// it.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn topics(&self) -> Result<Vec<String>, DeadLetterError> {
        let topics = self.admin.list_topics().await?;
        let mut names: Vec<String> = topics
            .into_iter()
            .filter(|topic| !topic.is_internal)
            .filter_map(|topic| self.prefix.take_off(&topic.name).map(str::to_owned))
            .filter(|name| is_dead_letter_topic(name))
            .collect();
        names.sort();
        Ok(names)
    }

    pub(super) async fn describe(&self, topic: &str) -> Result<TopicDescription, DeadLetterError> {
        let description = self.find_topic(topic).await?;
        description.ok_or_else(|| DeadLetterError::NoTopic {
            topic: topic.to_owned(),
        })
    }

    pub(super) async fn find_topic(
        &self,
        topic: &str,
    ) -> Result<Option<TopicDescription>, DeadLetterError> {
        let described = self.admin.describe_topics(&[topic]).await?;
        match described.into_iter().next() {
            Some((_, Ok(description))) => Ok(Some(description)),
            Some((_, Err(error))) if error.code() != Some(ErrorCode::UnknownTopicOrPartition) => {
                Err(error.into())
            }
            _ => Ok(None),
        }
    }

    /// Which letters of the topic were redriven, as the audit topic has it now.
    pub(super) async fn marks(&self, topic: &TopicDescription) -> Result<Marks, DeadLetterError> {
        let mut marks = Marks::default();
        let Some(audit) = self.find_topic(&audit_topic(&topic.name)).await? else {
            return Ok(marks);
        };
        let topic_id = topic.id.to_string();
        let mut scan = Scan::begin(&self.client, &partitions(&audit, &[])?).await?;
        while let Some(messages) = scan.next().await? {
            for message in messages {
                if let Some(value) = message.value() {
                    marks.learn(value, &topic_id);
                }
            }
        }
        scan.close().await;
        Ok(marks)
    }

    /// Takes over the operations on this topic: another one that is under way cannot go on, and
    /// what it had not confirmed is undone before this returns.
    pub(super) async fn take_over(
        &self,
        topic: &TopicDescription,
    ) -> Result<TransactionalProducer, DeadLetterError> {
        self.ensure_audit_topic(&topic.name).await?;
        let id = format!("milena-dlq-{}", topic.name);
        let config = self.producer.clone().transactional_id(id);
        TransactionalProducer::connect(&self.client, config)
            .await
            .map_err(|error| DeadLetterError::of_transaction(&topic.name, error))
    }

    async fn ensure_audit_topic(&self, topic: &str) -> Result<(), DeadLetterError> {
        let audit = audit_topic(topic);
        if self.find_topic(&audit).await?.is_some() {
            return Ok(());
        }
        let new = NewTopic::new(&audit)
            .partitions(1)
            .config("retention.ms", "-1")
            .config("cleanup.policy", "delete");
        match self.admin.create_topic(new).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => Ok(()),
            Err(source) => Err(DeadLetterError::Audit {
                topic: audit,
                source,
            }),
        }
    }
}

/// Writes an audit record in a transaction of its own.
pub(super) async fn write_alone(
    producer: &mut TransactionalProducer,
    entry: &AuditEntry,
) -> Result<(), DeadLetterError> {
    let of_transaction =
        |error: TransactionError| DeadLetterError::of_transaction(&entry.topic, error);
    let transaction = producer.begin().await.map_err(of_transaction)?;
    let audit = audit_topic(&entry.topic);
    let value = json(entry);
    let record = Record::to(&audit).key(&entry.id).value(&value);
    transaction.send(record).await?;
    transaction.commit().await.map_err(of_transaction)
}

pub(super) fn json(entry: &AuditEntry) -> Vec<u8> {
    serde_json::to_vec(entry).expect("invariant: texts, numbers and lists are always JSON")
}

/// The partitions of a topic, or those of them that are wanted.
pub(super) fn partitions(
    topic: &TopicDescription,
    wanted: &[i32],
) -> Result<Vec<TopicPartition>, DeadLetterError> {
    let exists = |index: &i32| topic.partitions.iter().any(|one| one.index == *index);
    if let Some(missing) = wanted.iter().find(|index| !exists(index)) {
        return Err(DeadLetterError::NoPartition {
            topic: topic.name.clone(),
            partition: *missing,
        });
    }
    let indexes = topic.partitions.iter().map(|partition| partition.index);
    Ok(indexes
        .filter(|index| wanted.is_empty() || wanted.contains(index))
        .map(|index| TopicPartition::new(topic.name.as_str(), index))
        .collect())
}

fn is_dead_letter_topic(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if name.ends_with(AUDIT_SUFFIX) {
        return false;
    }
    let mut parts = name.split(['.', '-', '_']);
    parts.any(|part| ["dlq", "dlt", "deadletter", "poison"].contains(&part))
        || name.contains("dead-letter")
        || name.contains("dead_letter")
}

#[cfg(test)]
mod tests;
