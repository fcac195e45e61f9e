//! Where a broker keeps what it must not forget.
//!
//! Owns the choice between memory and a directory, and the records that are
//! written. Knows no request.

pub(crate) mod codec;
mod consumer_group;
mod directory;
mod journal;
mod producer_ids;
mod records;
mod transaction_records;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use uuid::Uuid;

use crate::config::BrokerConfig;
use crate::coordinator::transaction::Transaction;
use crate::error::BrokerError;
use crate::log::epochs::LeaderEpochs;
use crate::log::memory::MemoryLog;
use crate::log::partition::PartitionLog;
use crate::log::producers::Producers;
use crate::log::{LogError, SegmentSettings};

use directory::DataDirectory;

pub(crate) use records::{GroupRecord, TopicRecord};
pub(crate) use transaction_records::TransactionRecord;

/// The storage of one broker.
pub(crate) enum Storage {
    Memory { next_producer_id: AtomicI64 },
    Directory(DataDirectory),
}

/// What the storage held when it was opened.
pub(crate) struct Opened {
    pub(crate) storage: Storage,
    pub(crate) topics: Vec<TopicRecord>,
    pub(crate) groups: Vec<GroupRecord>,
    pub(crate) transactions: BTreeMap<Arc<str>, Transaction>,
    pub(crate) cluster_id: String,
}

impl Storage {
    /// Opens the storage: empty in memory, or what a directory holds.
    pub(crate) fn open(
        directory: Option<PathBuf>,
        config: &BrokerConfig,
    ) -> Result<Opened, BrokerError> {
        match directory {
            Some(path) => DataDirectory::open(path, config),
            None => Ok(Opened {
                storage: Storage::Memory {
                    next_producer_id: AtomicI64::new(0),
                },
                topics: Vec::new(),
                groups: Vec::new(),
                transactions: BTreeMap::new(),
                cluster_id: new_cluster_id(),
            }),
        }
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Storage::Memory { .. } => PathBuf::from("memory"),
            Storage::Directory(directory) => directory.path().to_owned(),
        }
    }

    pub(crate) fn save_topics(&self, topics: &[TopicRecord]) -> Result<(), BrokerError> {
        match self {
            Storage::Memory { .. } => Ok(()),
            Storage::Directory(directory) => directory.save_topics(topics),
        }
    }

    /// A small file of its own, as it was last saved; `None` if it never was.
    pub(crate) fn load_document(&self, name: &str) -> Result<Option<Vec<u8>>, BrokerError> {
        match self {
            Storage::Memory { .. } => Ok(None),
            Storage::Directory(directory) => directory.load_document(name),
        }
    }

    /// Replaces a small file in one step. It survives a loss of power.
    pub(crate) fn save_document(&self, name: &str, payload: &[u8]) -> Result<(), BrokerError> {
        match self {
            Storage::Memory { .. } => Ok(()),
            Storage::Directory(directory) => directory.save_document(name, payload),
        }
    }

    /// Opens the log of a partition; it need not exist yet.
    pub(crate) fn open_log(
        &self,
        topic: Uuid,
        partition: i32,
        settings: SegmentSettings,
    ) -> Result<PartitionLog, LogError> {
        match self {
            Storage::Memory { .. } => Ok(PartitionLog::new(
                Box::new(MemoryLog::new(settings)),
                Producers::default(),
                LeaderEpochs::default(),
            )),
            Storage::Directory(directory) => directory.open_log(topic, partition, settings),
        }
    }

    /// Removes the logs of a deleted topic.
    pub(crate) fn remove_topic(&self, topic: Uuid) {
        if let Storage::Directory(directory) = self {
            directory.remove_topic(topic);
        }
    }

    /// Writes down a change of a group. It survives a crash of the process.
    pub(crate) fn save_group_record(&self, record: &GroupRecord) -> Result<(), BrokerError> {
        match self {
            Storage::Memory { .. } => Ok(()),
            Storage::Directory(directory) => directory.save_group_record(record),
        }
    }

    /// Writes down a transactional id. It survives a crash of the process.
    pub(crate) fn save_transaction(&self, record: &TransactionRecord) -> Result<(), BrokerError> {
        match self {
            Storage::Memory { .. } => Ok(()),
            Storage::Directory(directory) => directory.save_transaction(record),
        }
    }

    /// Makes the records of groups and transactions survive a loss of power.
    pub(crate) fn flush_journals(&self) -> Result<(), BrokerError> {
        match self {
            Storage::Memory { .. } => Ok(()),
            Storage::Directory(directory) => directory.flush_journals(),
        }
    }

    /// A producer id that was never given out before, not even before a restart.
    pub(crate) fn next_producer_id(&self) -> Result<i64, BrokerError> {
        match self {
            Storage::Memory { next_producer_id } => {
                Ok(next_producer_id.fetch_add(1, Ordering::Relaxed))
            }
            Storage::Directory(directory) => directory.next_producer_id(),
        }
    }
}

/// Apache Kafka writes cluster ids as 22 characters of base64.
fn new_cluster_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = Uuid::new_v4().as_u128();
    let digit = |place: u32| char::from(ALPHABET[(bits >> (place * 6)) as usize & 63]);
    (0..22).map(digit).collect()
}

/// Wraps the operating system's answer with what was being done.
fn failed<'a>(
    action: &'static str,
    path: &'a std::path::Path,
) -> impl FnOnce(std::io::Error) -> BrokerError + use<'a> {
    move |source| BrokerError::Storage {
        action,
        path: path.to_owned(),
        source,
    }
}

/// A file that this broker cannot have written, or not in this state.
pub(crate) fn corrupt(path: &std::path::Path, reason: impl Into<String>) -> BrokerError {
    BrokerError::DirectoryCorrupt {
        path: path.to_owned(),
        reason: reason.into(),
    }
}
