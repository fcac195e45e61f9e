//! Up to where a log is on disk and checked, and its producers at that point.
//!
//! Owns the checkpoint file of a partition. Recovery starts here instead of at the
//! first record, and without it the producers would have to be rebuilt from all.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use super::epochs::EpochStart;
use super::producers::{AppendedBatch, Producer, Producers};
use super::transactions::{AbortedTransaction, PartitionTransactions};
use crate::storage::codec::{self, FileContent, Reader, Writer};

/// A point in the log, with the producers as they were there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The segment it lies in, by its base offset.
    pub(crate) segment: i64,
    /// Bytes of that segment in front of it.
    pub(crate) position: u64,
    /// The offset of the next record there.
    pub(crate) next_offset: i64,
    pub(crate) producers: Producers,
    pub(crate) epochs: Vec<EpochStart>,
}

fn path_in(directory: &Path) -> PathBuf {
    directory.join("checkpoint")
}

impl Checkpoint {
    pub(crate) fn save(&self, directory: &Path) -> io::Result<()> {
        let mut writer = Writer::default();
        writer.put_i64(self.segment);
        writer.put_u64(self.position);
        writer.put_i64(self.next_offset);
        writer.put_count(self.producers.iter().count());
        for (id, producer) in self.producers.iter() {
            writer.put_i64(id);
            writer.put_i16(producer.epoch);
            writer.put_i64(producer.last_timestamp);
            writer.put_i32(producer.coordinator_epoch);
            writer.put_count(producer.batches.len());
            for batch in &producer.batches {
                writer.put_i32(batch.first_sequence);
                writer.put_i32(batch.last_sequence);
                writer.put_i64(batch.base_offset);
                writer.put_i64(batch.timestamp);
            }
        }
        encode_transactions(&mut writer, &self.producers.transactions);
        writer.put_count(self.epochs.len());
        for start in &self.epochs {
            writer.put_i32(start.epoch);
            writer.put_i64(start.offset);
        }
        codec::write_file(&path_in(directory), &writer.into_bytes())
    }

    /// Forgets the last checkpoint, so that everything is checked anew.
    pub(crate) fn remove(directory: &Path) -> io::Result<()> {
        match std::fs::remove_file(path_in(directory)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => codec::sync_directory(directory),
        }
    }

    /// The last checkpoint; without one, or with a damaged one, everything is checked anew.
    pub(crate) fn load(directory: &Path) -> io::Result<Option<Checkpoint>> {
        let path = path_in(directory);
        match codec::read_file(&path)? {
            FileContent::Missing => Ok(None),
            FileContent::Payload(payload) => Ok(decode(&payload)),
            FileContent::Damaged => {
                tracing::warn!(event = "checkpoint_ignored", path = %path.display());
                Ok(None)
            }
        }
    }
}

fn decode(payload: &[u8]) -> Option<Checkpoint> {
    let mut reader = Reader::new(payload);
    let mut checkpoint = Checkpoint {
        segment: reader.take_i64()?,
        position: reader.take_u64()?,
        next_offset: reader.take_i64()?,
        producers: Producers::default(),
        epochs: Vec::new(),
    };
    for _ in 0..reader.take_count()? {
        let id = reader.take_i64()?;
        let epoch = reader.take_i16()?;
        let last_timestamp = reader.take_i64()?;
        let coordinator_epoch = reader.take_i32()?;
        let mut batches = VecDeque::new();
        for _ in 0..reader.take_count()? {
            batches.push_back(AppendedBatch {
                first_sequence: reader.take_i32()?,
                last_sequence: reader.take_i32()?,
                base_offset: reader.take_i64()?,
                timestamp: reader.take_i64()?,
            });
        }
        let producer = Producer {
            epoch,
            batches,
            last_timestamp,
            coordinator_epoch,
        };
        checkpoint.producers.restore(id, producer);
    }
    checkpoint.producers.transactions = decode_transactions(&mut reader)?;
    // Checkpoints of earlier versions end here.
    if !reader.is_empty() {
        checkpoint.epochs = decode_epochs(&mut reader)?;
    }
    reader.is_empty().then_some(checkpoint)
}

fn decode_epochs(reader: &mut Reader<'_>) -> Option<Vec<EpochStart>> {
    let mut epochs = Vec::new();
    for _ in 0..reader.take_count()? {
        epochs.push(EpochStart {
            epoch: reader.take_i32()?,
            offset: reader.take_i64()?,
        });
    }
    Some(epochs)
}

fn encode_transactions(writer: &mut Writer, transactions: &PartitionTransactions) {
    writer.put_count(transactions.open().len());
    for (producer_id, first_offset) in transactions.open() {
        writer.put_i64(producer_id);
        writer.put_i64(first_offset);
    }
    writer.put_count(transactions.aborted().len());
    for aborted in transactions.aborted() {
        writer.put_i64(aborted.producer_id);
        writer.put_i64(aborted.first_offset);
        writer.put_i64(aborted.last_offset);
    }
}

fn decode_transactions(reader: &mut Reader<'_>) -> Option<PartitionTransactions> {
    let mut open = BTreeMap::new();
    for _ in 0..reader.take_count()? {
        open.insert(reader.take_i64()?, reader.take_i64()?);
    }
    let mut aborted = Vec::new();
    for _ in 0..reader.take_count()? {
        aborted.push(AbortedTransaction {
            producer_id: reader.take_i64()?,
            first_offset: reader.take_i64()?,
            last_offset: reader.take_i64()?,
        });
    }
    Some(PartitionTransactions::restore(open, aborted))
}
