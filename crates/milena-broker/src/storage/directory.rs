//! A data directory: its lock, its identity, topics, groups, producer ids, logs.
//!
//! ```text
//! DIR/lock            held while a broker runs
//!     meta            cluster id; says that the directory is ours
//!     topics          names, ids, partition counts
//!     producer-ids    the first unused block
//!     users           SCRAM credentials
//!     configs         settings of topics and brokers made while it runs
//!     acls, quotas    likewise, who may do what and how much
//!     groups          journal of members and committed offsets
//!     transactions    journal of transactional ids
//!     logs/<topic id>/<partition>/<base offset>.log, .index, checkpoint
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::codec::{self, FileContent, Reader, Writer};
use super::journal::Journal;
use super::producer_ids::ProducerIds;
use super::records::{GroupRecord, TopicRecord, decode_topics, encode_topics};
use super::transaction_records::{self, TransactionRecord};
use super::{Opened, Storage, corrupt, failed};
use crate::clock;
use crate::config::BrokerConfig;
use crate::coordinator::groups::condense;
use crate::coordinator::transaction::Transaction;
use crate::error::BrokerError;
use crate::log::partition::PartitionLog;
use crate::log::{LogError, SegmentSettings, recovery};

/// An open data directory.
pub(crate) struct DataDirectory {
    path: PathBuf,
    producer_ids: ProducerIds,
    groups: Mutex<Journal>,
    transactions: Mutex<Journal>,
    /// Given back last.
    _lock: Lock,
}

impl DataDirectory {
    /// Opens a directory; an empty or missing one becomes ours.
    pub(crate) fn open(path: PathBuf, config: &BrokerConfig) -> Result<Opened, BrokerError> {
        fs::create_dir_all(&path).map_err(failed("create", &path))?;
        if !path.join("meta").exists() {
            // Before anything of ours is put among someone else's files.
            refuse_foreign(&path)?;
        }
        let lock = lock(&path)?;
        let cluster_id = identify(&path)?;
        fs::create_dir_all(path.join("logs")).map_err(failed("create", &path))?;
        let topics = load_topics(&path.join("topics"))?;
        let groups_path = path.join("groups");
        let (mut journal, payloads) =
            Journal::open(&groups_path).map_err(failed("open", &groups_path))?;
        let groups = decode_groups(&groups_path, &payloads)?;
        if journal.is_worth_compacting() {
            let condensed: Vec<_> = condense(config, &groups)
                .iter()
                .map(GroupRecord::encode)
                .collect();
            journal
                .replace(&condensed)
                .map_err(failed("compact", &groups_path))?;
        }
        let (transactions_journal, transactions) = open_transactions(&path.join("transactions"))?;
        remove_leftovers(&path.join("logs"), &topics);
        let directory = DataDirectory {
            producer_ids: ProducerIds::open(path.join("producer-ids"))?,
            groups: Mutex::new(journal),
            transactions: Mutex::new(transactions_journal),
            path,
            _lock: lock,
        };
        Ok(Opened {
            storage: Storage::Directory(directory),
            topics,
            groups,
            transactions,
            cluster_id,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn save_topics(&self, topics: &[TopicRecord]) -> Result<(), BrokerError> {
        let path = self.path.join("topics");
        codec::write_file(&path, &encode_topics(topics)).map_err(failed("write", &path))
    }

    pub(crate) fn load_document(&self, name: &str) -> Result<Option<Vec<u8>>, BrokerError> {
        let path = self.path.join(name);
        match codec::read_file(&path).map_err(failed("read", &path))? {
            FileContent::Missing => Ok(None),
            FileContent::Payload(payload) => Ok(Some(payload)),
            FileContent::Damaged => Err(corrupt(&path, "it is damaged; restore it from a backup")),
        }
    }

    pub(crate) fn save_document(&self, name: &str, payload: &[u8]) -> Result<(), BrokerError> {
        let path = self.path.join(name);
        codec::write_file(&path, payload).map_err(failed("write", &path))
    }

    pub(crate) fn open_log(
        &self,
        topic: Uuid,
        partition: i32,
        settings: SegmentSettings,
    ) -> Result<PartitionLog, LogError> {
        let path = self
            .path
            .join("logs")
            .join(topic.to_string())
            .join(partition.to_string());
        let (log, producers, epochs) =
            recovery::open(&path, settings, clock::wall_ms()).map_err(|source| {
                LogError::Storage {
                    action: "open",
                    source,
                }
            })?;
        Ok(PartitionLog::new(Box::new(log), producers, epochs))
    }

    pub(crate) fn remove_topic(&self, topic: Uuid) {
        let path = self.path.join("logs").join(topic.to_string());
        if let Err(error) = fs::remove_dir_all(&path) {
            // It is no longer listed: the next start tries again.
            tracing::warn!(event = "topic_not_removed", path = %path.display(), error = %error);
        }
    }

    pub(crate) fn save_group_record(&self, record: &GroupRecord) -> Result<(), BrokerError> {
        let mut journal = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.join("groups");
        journal
            .append(&record.encode())
            .map_err(failed("append to", &path))
    }

    pub(crate) fn save_transaction(&self, record: &TransactionRecord) -> Result<(), BrokerError> {
        let journal = self.transactions.lock();
        let path = self.path.join("transactions");
        journal
            .unwrap_or_else(PoisonError::into_inner)
            .append(&record.encode())
            .map_err(failed("append to", &path))
    }

    pub(crate) fn flush_journals(&self) -> Result<(), BrokerError> {
        for (name, journal) in [
            ("groups", &self.groups),
            ("transactions", &self.transactions),
        ] {
            let path = self.path.join(name);
            let journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.flush().map_err(failed("flush", &path))?;
        }
        Ok(())
    }

    pub(crate) fn next_producer_id(&self) -> Result<i64, BrokerError> {
        self.producer_ids.next()
    }
}

/// Keeps other brokers out of the directory until it is dropped.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    /// Closing the file would not do while another process has it: one that is being started has all
    /// of ours until it runs its own program.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(event = "data_unlock", %error);
        }
    }
}

fn lock(path: &Path) -> Result<Lock, BrokerError> {
    let lock_path = path.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(failed("open", &lock_path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(BrokerError::DirectoryLocked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed("lock", &lock_path)(source)),
    }
}

/// Reads the cluster id, or makes the directory ours if it holds nothing else.
fn identify(path: &Path) -> Result<String, BrokerError> {
    let meta = path.join("meta");
    match codec::read_file(&meta).map_err(failed("read", &meta))? {
        FileContent::Payload(payload) => Reader::new(&payload)
            .take_text()
            .map(|id| id.to_string())
            .ok_or_else(|| corrupt(&meta, "it is not a broker's identity")),
        FileContent::Damaged => Err(corrupt(
            &meta,
            "this is not a data directory of a milena broker, or it is damaged; choose another --data",
        )),
        FileContent::Missing => {
            let cluster_id = super::new_cluster_id();
            let mut writer = Writer::default();
            writer.put_text(&cluster_id);
            codec::write_file(&meta, &writer.into_bytes()).map_err(failed("write", &meta))?;
            Ok(cluster_id)
        }
    }
}

fn refuse_foreign(path: &Path) -> Result<(), BrokerError> {
    for entry in fs::read_dir(path).map_err(failed("read", path))? {
        let name = entry.map_err(failed("read", path))?.file_name();
        let is_ours = ["lock", "logs", "meta.new"]
            .iter()
            .any(|ours| name == *ours);
        if !is_ours {
            let name = name.to_string_lossy().into_owned();
            let reason = format!(
                "the directory holds '{name}' and is no data directory of a milena broker; \
                 choose an empty one"
            );
            return Err(corrupt(path, reason));
        }
    }
    Ok(())
}

fn load_topics(path: &Path) -> Result<Vec<TopicRecord>, BrokerError> {
    match codec::read_file(path).map_err(failed("read", path))? {
        FileContent::Missing => Ok(Vec::new()),
        FileContent::Payload(payload) => {
            decode_topics(&payload).ok_or_else(|| corrupt(path, "it is not a list of topics"))
        }
        FileContent::Damaged => Err(corrupt(
            path,
            "the list of topics is damaged; restore it from a backup",
        )),
    }
}

/// Opens the journal of transactions, shortened if that is worth it.
fn open_transactions(
    path: &Path,
) -> Result<(Journal, BTreeMap<Arc<str>, Transaction>), BrokerError> {
    let (mut journal, payloads) = Journal::open(path).map_err(failed("open", path))?;
    let records = payloads.iter().map(|payload| {
        TransactionRecord::decode(payload)
            .ok_or_else(|| corrupt(path, "a record was written by a newer version"))
    });
    let records: Vec<_> = records.collect::<Result<_, _>>()?;
    let known = transaction_records::replay(records);
    if journal.is_worth_compacting() {
        let last = known.iter().map(|(id, transaction)| {
            let record = TransactionRecord {
                id: id.clone(),
                transaction: Some(transaction.clone()),
            };
            record.encode()
        });
        let last: Vec<_> = last.collect();
        journal.replace(&last).map_err(failed("compact", path))?;
    }
    Ok((journal, known))
}

fn decode_groups(path: &Path, payloads: &[Vec<u8>]) -> Result<Vec<GroupRecord>, BrokerError> {
    let now = clock::now();
    let decoded = payloads.iter().map(|payload| {
        GroupRecord::decode(payload, now)
            .ok_or_else(|| corrupt(path, "a record was written by a newer version"))
    });
    decoded.collect()
}

/// Logs whose topic is not listed belong to a deletion that a crash interrupted.
fn remove_leftovers(logs: &Path, topics: &[TopicRecord]) {
    let Ok(entries) = fs::read_dir(logs) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| Uuid::parse_str(name).ok()) else {
            continue;
        };
        if !topics.iter().any(|topic| topic.id == id) {
            tracing::info!(event = "leftover_removed", topic_id = %id);
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
