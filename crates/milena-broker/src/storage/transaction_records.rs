//! Transactions as bytes.
//!
//! Owns their layout on disk. Knows no file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_wire::batch::control::TransactionEnd;

use super::codec::{Reader, Writer};
use crate::coordinator::transaction::{Identity, Protocol, State, Transaction};

/// A transactional id as it is written down whenever it changes. The last one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransactionRecord {
    pub(crate) id: Arc<str>,
    /// `None` when the id is forgotten.
    pub(crate) transaction: Option<Transaction>,
}

const REMOVED: u8 = 0;
const PRESENT: u8 = 1;

const STATES: [State; 6] = [
    State::Empty,
    State::Ongoing,
    State::Preparing(TransactionEnd::Commit),
    State::Preparing(TransactionEnd::Abort),
    State::Complete(TransactionEnd::Commit),
    State::Complete(TransactionEnd::Abort),
];

impl TransactionRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match &self.transaction {
            None => {
                writer.put_u8(REMOVED);
                writer.put_text(&self.id);
            }
            Some(transaction) => {
                writer.put_u8(PRESENT);
                writer.put_text(&self.id);
                encode_transaction(&mut writer, transaction);
            }
        }
        writer.into_bytes()
    }

    pub(crate) fn decode(payload: &[u8]) -> Option<TransactionRecord> {
        let mut reader = Reader::new(payload);
        let kind = reader.take_u8()?;
        let id = reader.take_text()?;
        let transaction = match kind {
            REMOVED => None,
            PRESENT => Some(decode_transaction(&mut reader)?),
            _ => return None,
        };
        let record = TransactionRecord { id, transaction };
        reader.is_empty().then_some(record)
    }
}

/// What all records in order make.
pub(crate) fn replay(
    records: impl IntoIterator<Item = TransactionRecord>,
) -> BTreeMap<Arc<str>, Transaction> {
    let mut transactions = BTreeMap::new();
    for record in records {
        match record.transaction {
            Some(transaction) => transactions.insert(record.id, transaction),
            None => transactions.remove(&record.id),
        };
    }
    transactions
}

fn encode_transaction(writer: &mut Writer, transaction: &Transaction) {
    writer.put_i64(transaction.identity.id);
    writer.put_i16(transaction.identity.epoch);
    writer.put_i16(transaction.epoch_before);
    writer.put_i64(transaction.id_before);
    writer.put_i64(transaction.id_next.unwrap_or(-1));
    writer.put_i32(transaction.timeout_ms);
    let state = STATES.iter().position(|state| *state == transaction.state);
    writer.put_u8(
        state
            .and_then(|index| u8::try_from(index).ok())
            .unwrap_or(0),
    );
    writer.put_u8(u8::from(transaction.protocol == Protocol::V2));
    writer.put_count(transaction.partitions.len());
    for (topic, partition) in &transaction.partitions {
        writer.put_text(topic);
        writer.put_i32(*partition);
    }
    writer.put_count(transaction.groups.len());
    for group in &transaction.groups {
        writer.put_text(group);
    }
    writer.put_i64(transaction.started_ms);
    writer.put_i64(transaction.updated_ms);
}

fn decode_transaction(reader: &mut Reader<'_>) -> Option<Transaction> {
    let identity = Identity {
        id: reader.take_i64()?,
        epoch: reader.take_i16()?,
    };
    let mut transaction = Transaction {
        identity,
        epoch_before: reader.take_i16()?,
        id_before: reader.take_i64()?,
        id_next: Some(reader.take_i64()?).filter(|id| *id >= 0),
        timeout_ms: reader.take_i32()?,
        state: STATES.get(usize::from(reader.take_u8()?)).copied()?,
        protocol: match reader.take_u8()? {
            0 => Protocol::V1,
            _ => Protocol::V2,
        },
        partitions: BTreeSet::new(),
        groups: BTreeSet::new(),
        started_ms: -1,
        updated_ms: -1,
    };
    for _ in 0..reader.take_count()? {
        let topic = reader.take_text()?;
        transaction.partitions.insert((topic, reader.take_i32()?));
    }
    for _ in 0..reader.take_count()? {
        transaction.groups.insert(reader.take_text()?);
    }
    transaction.started_ms = reader.take_i64()?;
    transaction.updated_ms = reader.take_i64()?;
    Some(transaction)
}

#[cfg(test)]
mod tests;
