//! Where a broker keeps what it must not forget.
//!
//! Owns the choice between memory and a directory. Knows no request; what is
//! written into the directory is known in its submodules and in [`crate::log`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use uuid::Uuid;

use crate::config::BrokerConfig;
use crate::coordinator::group::GroupSnapshot;
use crate::coordinator::offsets::CommittedOffset;
use crate::error::BrokerError;
use crate::log::LogError;
use crate::log::memory::MemoryLog;
use crate::log::partition::PartitionLog;
use crate::log::producers::Producers;

/// A topic as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicRecord {
    pub(crate) name: Arc<str>,
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
}

/// A change of a group as it is written down. All of them in order give the groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupRecord {
    Offsets {
        group: Arc<str>,
        rows: Vec<(Arc<str>, i32, CommittedOffset)>,
    },
    Members {
        group: Arc<str>,
        snapshot: GroupSnapshot,
    },
    Removed {
        group: Arc<str>,
    },
    TopicForgotten {
        topic: Arc<str>,
    },
    OffsetsExpired {
        group: Arc<str>,
        oldest_ms: i64,
    },
}

/// The storage of one broker.
pub(crate) enum Storage {
    Memory(MemoryStorage),
}

#[derive(Default)]
pub(crate) struct MemoryStorage {
    next_producer_id: AtomicI64,
}

/// What the storage held when it was opened.
pub(crate) struct Opened {
    pub(crate) storage: Storage,
    pub(crate) topics: Vec<TopicRecord>,
    pub(crate) groups: Vec<GroupRecord>,
    pub(crate) cluster_id: String,
}

impl Storage {
    /// Opens the storage: empty in memory, or what a directory holds.
    pub(crate) fn open(
        directory: Option<PathBuf>,
        _config: &Arc<BrokerConfig>,
    ) -> Result<Opened, BrokerError> {
        let _ = directory;
        Ok(Opened {
            storage: Storage::Memory(MemoryStorage::default()),
            topics: Vec::new(),
            groups: Vec::new(),
            cluster_id: new_cluster_id(),
        })
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::new()
    }

    pub(crate) fn save_topics(&self, _topics: &[TopicRecord]) -> Result<(), BrokerError> {
        Ok(())
    }

    pub(crate) fn open_log(
        &self,
        _topic: &str,
        _id: Uuid,
        _partition: i32,
    ) -> Result<PartitionLog, LogError> {
        Ok(PartitionLog::new(
            Box::new(MemoryLog::default()),
            Producers::default(),
        ))
    }

    pub(crate) fn remove_topic(&self, _topic: &str, _id: Uuid) {}

    pub(crate) fn save_group_record(&self, _record: &GroupRecord) -> Result<(), BrokerError> {
        Ok(())
    }

    /// A producer id that was never given out before, not even before a restart.
    pub(crate) fn next_producer_id(&self) -> Result<i64, BrokerError> {
        match self {
            Storage::Memory(memory) => Ok(memory.next_producer_id.fetch_add(1, Ordering::Relaxed)),
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
