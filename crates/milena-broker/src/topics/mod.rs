//! The topics of a broker and their partitions.
//!
//! Owns names, ids and partition counts, and opens the logs. Knows no request.

mod name;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use milena_wire::error_code::ErrorCode;
use uuid::Uuid;

use crate::config::layers::{ConfigStore, Settings};
use crate::config::topic::TopicConfig;
use crate::limits;
use crate::log::partition::PartitionLog;
use crate::log::{LogError, SegmentSettings};
use crate::storage::{Storage, TopicRecord};

pub(crate) use name::check_name;

/// One topic. Its partitions only ever grow in number.
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    pub(crate) id: Uuid,
    config: RwLock<Arc<TopicConfig>>,
    partitions: RwLock<Vec<Arc<Partition>>>,
}

/// One partition as this node serves it: leadership here, records in the log.
pub(crate) struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) topic_id: Uuid,
    pub(crate) index: i32,
    pub(crate) log: Arc<PartitionLog>,
}

impl Topic {
    /// What counts for it now.
    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        let config = self.config.read();
        config.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn configure(&self, config: TopicConfig) {
        let settings = SegmentSettings::of(&config);
        let mut current = self.config.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(config);
        drop(current);
        for partition in self.partitions() {
            partition.log.configure(settings);
        }
    }

    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        let partitions = self
            .partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        partitions.get(usize::try_from(index).ok()?).cloned()
    }

    pub(crate) fn partition_count(&self) -> i32 {
        let partitions = self
            .partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        i32::try_from(partitions.len()).unwrap_or(i32::MAX)
    }
}

impl Partition {
    /// Counts how often a leader has taken over.
    pub(crate) fn leader_epoch(&self) -> i32 {
        self.log.leader_epoch()
    }
}

/// All topics, by name and by id.
pub(crate) struct Catalog {
    storage: Arc<Storage>,
    configs: Arc<ConfigStore>,
    /// Counts topics that came, went or grew.
    version: AtomicU64,
    topics: RwLock<Topics>,
}

#[derive(Default)]
struct Topics {
    by_name: HashMap<Arc<str>, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

impl Catalog {
    /// Opens every topic that the storage holds.
    pub(crate) fn open(
        storage: Arc<Storage>,
        configs: Arc<ConfigStore>,
        records: Vec<TopicRecord>,
    ) -> Result<Catalog, crate::BrokerError> {
        configs.retain_topics(|id| records.iter().any(|record| record.id == id));
        let catalog = Catalog {
            storage,
            configs,
            version: AtomicU64::new(0),
            topics: RwLock::default(),
        };
        for record in records {
            let topic = catalog.open_topic(&record).map_err(|error| {
                crate::BrokerError::DirectoryCorrupt {
                    path: catalog.storage.path(),
                    reason: format!("topic '{}' cannot be opened: {error}", record.name),
                }
            })?;
            catalog.write().insert(topic);
        }
        Ok(catalog)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Topic>> {
        self.read().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.read().by_id.get(&id).cloned()
    }

    /// Counts up with every topic that comes, goes or grows.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// All topics, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<_> = self.read().by_name.values().cloned().collect();
        topics.sort_by(|left, right| left.name.cmp(&right.name));
        topics
    }

    /// Creates a topic, or gives back the one that was created meanwhile with
    /// TOPIC_ALREADY_EXISTS.
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: i32,
        settings: Settings,
    ) -> Result<Arc<Topic>, ErrorCode> {
        check_name(name).map_err(|_| ErrorCode::InvalidTopicException)?;
        if !(1..=limits::PARTITIONS_PER_TOPIC_MAX).contains(&partitions) {
            return Err(ErrorCode::InvalidPartitions);
        }
        let mut topics = self.write();
        if topics.by_name.contains_key(name) {
            return Err(ErrorCode::TopicAlreadyExists);
        }
        if topics.by_name.len() >= limits::TOPICS_MAX {
            return Err(ErrorCode::PolicyViolation);
        }
        let record = TopicRecord {
            name: name.into(),
            id: Uuid::new_v4(),
            partitions,
        };
        self.configs.create_topic(record.id, settings)?;
        self.persist(&topics, Some(&record), None)?;
        let topic = self.open_topic(&record).map_err(|error| {
            // What was written down in advance must not appear after a restart.
            let _ = self.persist(&topics, None, Some(record.id));
            storage_failed(name, &error)
        })?;
        tracing::info!(event = "topic_created", topic = name, partitions, id = %record.id);
        topics.insert(topic.clone());
        self.version.fetch_add(1, Ordering::AcqRel);
        Ok(topic)
    }

    /// Has topics follow a change of their settings, or of those they inherit.
    pub(crate) fn reconfigure(&self, topics: &[Arc<Topic>]) {
        for topic in topics {
            topic.configure(self.configs.effective(topic.id));
        }
    }

    /// Gives a topic more partitions.
    pub(crate) fn grow(&self, topic: &Topic, partitions: i32) -> Result<(), ErrorCode> {
        let topics = self.write();
        if !topics.by_id.contains_key(&topic.id) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        let present = topic.partition_count();
        if partitions <= present || partitions > limits::PARTITIONS_PER_TOPIC_MAX {
            return Err(ErrorCode::InvalidPartitions);
        }
        let record = TopicRecord {
            name: topic.name.clone(),
            id: topic.id,
            partitions,
        };
        self.persist(&topics, Some(&record), None)?;
        let mut added = Vec::new();
        for index in present..partitions {
            let partition = self.open_partition(&record, index, &topic.config());
            added.push(partition.map_err(|error| storage_failed(&topic.name, &error))?);
        }
        topic
            .partitions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(added);
        self.version.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Deletes a topic with its records.
    pub(crate) fn delete(&self, topic: &Topic) -> Result<(), ErrorCode> {
        let mut topics = self.write();
        if !topics.by_id.contains_key(&topic.id) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        self.persist(&topics, None, Some(topic.id))?;
        topics.by_id.remove(&topic.id);
        topics.by_name.remove(&topic.name);
        self.version.fetch_add(1, Ordering::AcqRel);
        drop(topics);
        tracing::info!(event = "topic_deleted", topic = %topic.name, id = %topic.id);
        for partition in topic.partitions() {
            partition.log.wake();
        }
        self.storage.remove_topic(topic.id);
        self.configs.forget_topic(topic.id);
        Ok(())
    }

    /// Writes the list of topics with one added or replaced, or one left out.
    fn persist(
        &self,
        topics: &Topics,
        changed: Option<&TopicRecord>,
        without: Option<Uuid>,
    ) -> Result<(), ErrorCode> {
        let skip = changed.map(|record| record.id).or(without);
        let kept = topics.by_id.values().filter(|topic| Some(topic.id) != skip);
        let mut records: Vec<_> = kept
            .map(|topic| TopicRecord {
                name: topic.name.clone(),
                id: topic.id,
                partitions: topic.partition_count(),
            })
            .collect();
        records.extend(changed.cloned());
        records.sort_by(|left, right| left.name.cmp(&right.name));
        self.storage.save_topics(&records).map_err(|error| {
            tracing::error!(event = "topics_not_saved", error = %error);
            ErrorCode::KafkaStorageError
        })
    }

    fn open_topic(&self, record: &TopicRecord) -> Result<Arc<Topic>, LogError> {
        let config = self.configs.effective(record.id);
        let mut partitions = Vec::new();
        for index in 0..record.partitions {
            partitions.push(self.open_partition(record, index, &config)?);
        }
        Ok(Arc::new(Topic {
            name: record.name.clone(),
            id: record.id,
            config: RwLock::new(Arc::new(config)),
            partitions: RwLock::new(partitions),
        }))
    }

    fn open_partition(
        &self,
        record: &TopicRecord,
        index: i32,
        config: &TopicConfig,
    ) -> Result<Arc<Partition>, LogError> {
        let settings = SegmentSettings::of(config);
        let log = Arc::new(self.storage.open_log(record.id, index, settings)?);
        Ok(Arc::new(Partition {
            topic: record.name.clone(),
            topic_id: record.id,
            index,
            log,
        }))
    }

    fn read(&self) -> RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Topics> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topics {
    fn insert(&mut self, topic: Arc<Topic>) {
        self.by_id.insert(topic.id, topic.clone());
        self.by_name.insert(topic.name.clone(), topic);
    }
}

fn storage_failed(topic: &str, error: &LogError) -> ErrorCode {
    tracing::error!(event = "log_not_opened", topic, error = %error);
    ErrorCode::KafkaStorageError
}
